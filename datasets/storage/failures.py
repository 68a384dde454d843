"""Tell failures of storage from other errors, in words for people."""

import os
import re
import shutil
from pathlib import Path

from datasets.errors import STORAGE_CONDITIONS, is_storage_condition


def first_line(error: Exception) -> str:
    """The line of an error's message that says what happened: TensorFlow may tell above it where in the graph."""
    text = re.sub(
        r"\AGraph execution error:.*?^Node: [^\n]*\n", "", str(error), flags=re.DOTALL | re.MULTILINE
    )
    return next((line for line in text.splitlines() if line.strip()), type(error).__name__)


def is_storage_failure(error: Exception, folder: Path) -> bool:
    """Whether `error`, of the system or of TensorFlow, tells that `folder` cannot be written, or is gone.

    TensorFlow's kinds of error are not the system's, but its messages hold the system's words.
    """
    if is_storage_condition(error) or not folder.is_dir():
        return True
    is_kind = type(error).__name__ in ("ResourceExhaustedError", "PermissionDeniedError", "UnavailableError")
    says_so = any(os.strerror(number) in str(error) for number in STORAGE_CONDITIONS)
    return not isinstance(error, OSError) and (is_kind or says_so)


def storage_reason(error: Exception, folder: Path) -> str:
    """Why something could not be written in `folder`, and how much room is left there."""
    free = shutil.disk_usage(folder).free if folder.exists() else 0
    return f"{getattr(error, 'strerror', None) or first_line(error)} ({free / 2**20:.0f} MiB free)"
