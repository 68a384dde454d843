"""Write files and folders that appear as a whole or not at all."""

import contextlib
import csv
import io
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets.errors import StorageError

ON_WINDOWS = os.name == "nt"
TEMPORARY = ".tmp-"
TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{32}}")
ABANDONED = 3600  # seconds after which a half-written file no longer has an owner


def fsync_path(path: Path) -> None:
    """Ask the system to put a file, or the entries of a folder, on the disk now.

    Windows, which cannot do this for folders, writes a rename at once.
    """
    if ON_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if ON_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new name beside `path` to write to; at the end that file becomes `path`, after an error it goes.

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


@contextlib.contextmanager
def replacing_folder(path: Path, temporary_name: str) -> Iterator[Path]:
    """Make a folder beside `path` to write to; at the end it becomes `path`, after an error it goes.

    One of this name that a killed process left is removed first.
    """
    temporary = path.with_name(temporary_name)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for written in (*temporary.iterdir(), temporary):
            fsync_path(written)
        temporary.rename(path)
        fsync_path(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what `replacing` left in `folder` when its process was killed, an hour ago or earlier."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if not TEMPORARY_NAME.fullmatch(path.name):  # a file of the user
            continue
        with contextlib.suppress(OSError):  # it was renamed just now, or belongs to another user
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name beside `path`, then rename."""
    with replacing(path) as temporary:
        # A file name on the disk need not be valid text.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        fsync_path(temporary)


def check_writable(path: Path) -> None:
    """Raise StorageError unless the file `path` can be written: before the work, not after it."""
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
    """Rewrite a text file without the lines that `keep` refuses. Do nothing if there is no file."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if keep(line)]
    if kept != lines:
        write_text(path, "".join(kept))
