"""Distinguish failures of the storage from other errors, and describe them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.errors import STORAGE_CONDITIONS, StorageError, is_storage_condition


@contextmanager
def storage_errors(folder: Path, what: str, advice: str) -> Iterator[None]:
    """Raise StorageError "WHAT: REASON; ADVICE" for errors inside that occur because `folder` cannot be written."""
    try:
        yield
    except Exception as error:
        is_known = isinstance(error, OSError) or type(error).__module__.startswith("tensorflow.")
        if not is_known or not is_storage_failure(error, folder):
            raise
        raise StorageError(f"{what}: {storage_reason(error, folder)}; {advice}") from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message below TensorFlow's description of the place, if any."""
    text = re.sub(r"(?ms)\AGraph execution error:.*?^Node: [^\n]*\n", "", str(error))
    return next((line for line in text.splitlines() if line.strip()), type(error).__name__)


def is_storage_failure(error: Exception, folder: Path) -> bool:
    """Return whether a system or TensorFlow error occurred because `folder` cannot be written or is gone.

    TensorFlow has its own error types, but its messages quote the system's.
    """
    if is_storage_condition(error) or not folder.is_dir():
        return True
    is_kind = type(error).__name__ in ("ResourceExhaustedError", "PermissionDeniedError", "UnavailableError")
    says_so = any(os.strerror(number) in str(error) for number in STORAGE_CONDITIONS)
    return not isinstance(error, OSError) and (is_kind or says_so)


def storage_reason(error: Exception, folder: Path) -> str:
    """Return why something could not be written in `folder`, and the free space there."""
    free = shutil.disk_usage(folder).free if folder.exists() else 0
    return f"{getattr(error, 'strerror', None) or first_line(error)} ({free / 2**20:.0f} MiB free)"
