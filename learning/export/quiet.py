"""Hide the messages of TensorFlow and its converters."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

from models.runtime.tensorflow_import import native_stderr_held

NOISY = ("tensorflow", "absl", "tf2onnx")


@contextlib.contextmanager
def without_notes(*, native: bool = False) -> Iterator[None]:
    """Let only errors of TensorFlow and the converters through, no notes about deprecation or progress.

    :param native: hide what native code writes to stderr, too, unless the block raises.
    """
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), native_stderr_held() if native else contextlib.nullcontext():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
