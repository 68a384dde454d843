"""Writing files so that they are there as a whole or not at all, and reading those that nobody vouches for."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from datasets.errors import STORAGE_CONDITIONS, is_storage_condition
from datasets.files import fsync_path
from learning.errors import StorageError

MAX_JSON_BYTES = 16 * 2**20  # of a file that describes a run or a folder
MAX_JSON_VALUES = 600_000  # in it; each takes some fifty bytes, however short it is there
MAX_YAML_BYTES = 2**16  # of a recipe or a configuration, whose reader takes a thousand times as much
MAX_YAML_VALUES = 10_000  # in it, those counted again that an alias repeats
TEMPORARY = ".tmp-"
TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{32}}")
ABANDONED = 3600  # seconds after which a half-written file has no owner any more


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new name beside `path` to write to; at the end that file becomes `path`, after an error it goes.

    Other processes may do the same at the same time: one of the files stays.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # a disk that is full does not say for which file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what `replacing` left in `folder` when its process was killed, an hour ago or earlier."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if not TEMPORARY_NAME.fullmatch(path.name):  # it is the user's own
            continue
        with contextlib.suppress(OSError):  # it was renamed just now, or is somebody else's
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name beside `path`, then rename."""
    with replacing(path) as temporary:
        # A file name on the disk need not be valid text.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        fsync_path(temporary)


def check_writable(path: Path) -> None:
    """StorageError unless the file `path` can be written: known before the work, not after it."""
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or path.is_dir():
        raise StorageError(f"cannot write {path}; choose another --output, in a folder that exists")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the columns of the first as CSV; None becomes an empty cell."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, text.getvalue())


def append_csv(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to a CSV file, with a header where the file is new."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def keep_lines(path: Path, keep: Callable[[str], bool]) -> None:
    """Rewrite a text file without the lines that `keep` refuses. Nothing where there is no file."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if keep(line)]
    if kept != lines:
        write_text(path, "".join(kept))


def read_text(path: Path, max_bytes: int) -> str:
    """The UTF-8 text of a file. ValueError where it is larger than `max_bytes`, no regular file, or no text."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path.name} is no regular file")  # a pipe would be waited for without end
    if status.st_size > max_bytes:
        raise ValueError(f"{path.name} is larger than {max_bytes} bytes")
    return path.read_text(encoding="utf-8")


def parse_json(text: str, max_values: int = MAX_JSON_VALUES) -> Any:
    """The value of a JSON text. ValueError for anything else: NaN, which JSON does not have, or too many values."""
    if sum(map(text.count, ",[{")) > max_values:
        raise ValueError(f"more than {max_values} values")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse_yaml(text: str) -> Any:
    """The plain value of a YAML text. YAMLError, or ValueError where it is too large, also by its aliases alone."""
    if len(text) > MAX_YAML_BYTES:
        raise ValueError(f"more than {MAX_YAML_BYTES} characters")
    value = yaml.safe_load(text)
    count, waiting = 0, [value]
    while waiting:  # a message that repeats such a value would be as large as the value written out
        item = waiting.pop()
        count += 1
        if count > MAX_YAML_VALUES:
            raise ValueError(f"more than {MAX_YAML_VALUES} values")
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


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
