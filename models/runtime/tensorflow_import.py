"""Import TensorFlow without Keras, and without its notes, unless the import fails."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

KERAS_SWITCH = "TF_USE_LEGACY_KERAS"


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Import TensorFlow and look for GPUs in this block: it is quiet and takes a third less time.

    TensorFlow imports Keras, and with it whatever Keras finds installed (matplotlib, scikit-learn), unless it is
    told to use an older Keras. Nothing here needs Keras; `tf.keras` works as usual after the import.
    """
    before = os.environ.get(KERAS_SWITCH)
    os.environ.setdefault(KERAS_SWITCH, "1")
    try:
        with native_stderr_held():
            yield
    finally:
        if before is None:
            del os.environ[KERAS_SWITCH]


@contextlib.contextmanager
def native_stderr_held() -> Iterator[None]:
    """Hold what native code writes to stderr; show it if the block raises.

    No log level silences TensorFlow's notes about oneDNN and absent GPU drivers.
    """
    if sys.stderr is None:  # it is closed
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as terminal:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            terminal.write(held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal.fileno(), 2)
