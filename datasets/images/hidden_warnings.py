"""Hide warnings that do not concern the user, from Pillow and from the loaders."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class SilentPillow:
    """Hide Pillow's warnings about odd files in any number of threads.

    `warnings.catch_warnings` changes the whole process, so the first thread that enters sets the filter, and the
    last one that leaves resets it.
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
    """Hide the loaders' warnings about images, for callers that report them differently."""
    logger = logging.getLogger("datasets")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
