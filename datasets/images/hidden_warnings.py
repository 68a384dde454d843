"""Hide warnings that mean nothing to the user: those of Pillow, and those of the loaders."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class SilentPillow:
    """Hide Pillow's warnings about odd files, from any number of threads at once.

    `warnings.catch_warnings` changes the whole process, so the first thread to enter sets it and the last one to
    leave takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(self, *exception: Any) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(*exception)


SILENCE = SilentPillow()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Hide what the loaders log about images, for callers that report it themselves."""
    logger = logging.getLogger("datasets")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
