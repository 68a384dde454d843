"""Write files and folders completely or not at all."""

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
ABANDONED = 3600  # seconds after which a half-written file counts as abandoned


def fsync_path(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk. Windows does so for folders by itself."""
    if ON_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if ON_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new name beside `path` to write to. At the end the file becomes `path`; after an error it is removed.

    Several processes may do this at the same time; the last file stays.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # the error of a full disk does not name the file
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path, temporary_name: str, *, over: bool = False) -> Iterator[Path]:
    """Make a folder beside `path` to write to. At the end it becomes `path`; after an error it is removed.

    A folder of this name left by a killed process is removed first.

    :param over: replace a folder `path`, which stays as it is until the new one is complete.
    """
    temporary, old = path.with_name(temporary_name), path.with_name(f"{temporary_name}.old")
    if over and old.is_dir() and not path.exists():  # killed between the two renames below
        old.rename(path)
    for left in (temporary, old):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for written in (*temporary.iterdir(), temporary):
            fsync_path(written)
        if over and path.is_dir():
            path.rename(old)
        temporary.rename(path)
        fsync_path(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left of `replacing` in `folder` over an hour ago."""
    for path in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):  # just renamed, or owned by another user
            is_ours = TEMPORARY_NAME.fullmatch(path.name)
            if is_ours and time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `replacing`."""
    with replacing(path) as temporary:
        # File names in the text need not be valid UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        fsync_path(temporary)


def check_writable(path: Path, option: str = "--output") -> None:
    """Raise StorageError unless the file `path` can be written, to fail before the work instead of after it.

    :param option: what gave the path.
    """
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or path.is_dir():
        raise StorageError(f"cannot write {path}; choose another {option}, in a folder that exists")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV with the columns of the first row; None becomes an empty cell."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, text.getvalue())


def append_csv(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a CSV file, after a header if the file is new."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def keep_lines(path: Path, keep: Callable[[str], bool]) -> None:
    """Remove the lines of a text file for which `keep` is false. Do nothing if there is no file."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if keep(line)]
    if kept != lines:
        write_text(path, "".join(kept))
