"""Import TensorFlow without Keras, and without its notes, which are shown only if something fails."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

KERAS_SWITCH = "TF_USE_LEGACY_KERAS"


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Let TensorFlow be imported and look for GPUs inside, quietly and in two thirds of the time.

    TensorFlow imports Keras at once, and with it what Keras finds installed (matplotlib, scikit-learn), unless it
    is told that an older Keras is used. Nothing here needs Keras; `tf.keras` works as usual after the import.
    """
    before = os.environ.get(KERAS_SWITCH)
    os.environ.setdefault(KERAS_SWITCH, "1")
    try:
        with _native_stderr_held():
            yield
    finally:
        if before is None:
            del os.environ[KERAS_SWITCH]


@contextlib.contextmanager
def _native_stderr_held() -> Iterator[None]:
    """Hold what native code writes to stderr; show it if the block raises.

    TensorFlow prints notes about oneDNN and absent GPU drivers which no log level silences.
    """
    if sys.stderr is None:  # it is closed, and nobody sees what comes
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
