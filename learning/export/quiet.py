"""Hide what TensorFlow and its converters print about themselves."""

import contextlib
import logging
from collections.abc import Iterator

NOISY = ("tensorflow", "absl", "tf2onnx")


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Let only errors of TensorFlow's and the converters' loggers through, such as no notes about deprecation."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
