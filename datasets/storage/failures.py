"""Tell failures of storage from other errors, in words for people."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.errors import STORAGE_CONDITIONS, StorageError, is_storage_condition


@contextmanager
def storage_errors(folder: Path, what: str, advice: str) -> Iterator[None]:
    """Raise StorageError "WHAT: REASON; ADVICE" for what fails inside because `folder` cannot be written.

    Only errors of the system and of TensorFlow count; others, and those that tell of a defect, pass.
    """
    try:
        yield
    except Exception as error:
        is_known = isinstance(error, OSError) or type(error).__module__.startswith("tensorflow.")
        if not is_known or not is_storage_failure(error, folder):
            raise
        raise StorageError(f"{what}: {storage_reason(error, folder)}; {advice}") from error


def first_line(error: Exception) -> str:
    """Return the line of an error's message that says what happened: TensorFlow may tell above it where."""
    text = re.sub(
        r"\AGraph execution error:.*?^Node: [^\n]*\n", "", str(error), flags=re.DOTALL | re.MULTILINE
    )
    return next((line for line in text.splitlines() if line.strip()), type(error).__name__)


def is_storage_failure(error: Exception, folder: Path) -> bool:
    """Return whether `error`, of the system or of TensorFlow, tells that `folder` cannot be written, or is gone.

    TensorFlow's kinds of error are not the system's, but its messages hold the system's words.
    """
    if is_storage_condition(error) or not folder.is_dir():
        return True
    is_kind = type(error).__name__ in ("ResourceExhaustedError", "PermissionDeniedError", "UnavailableError")
    says_so = any(os.strerror(number) in str(error) for number in STORAGE_CONDITIONS)
    return not isinstance(error, OSError) and (is_kind or says_so)


def storage_reason(error: Exception, folder: Path) -> str:
    """Return why something could not be written in `folder`, and how much room is left there."""
    free = shutil.disk_usage(folder).free if folder.exists() else 0
    return f"{getattr(error, 'strerror', None) or first_line(error)} ({free / 2**20:.0f} MiB free)"
