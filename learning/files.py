"""Writing files so that they are there as a whole or not at all."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def fsync_path(path: Path) -> None:
    """Ask the system to put a file, or the entries of a folder, on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name beside `path`, then rename."""
    temporary = path.with_name(f".{path.name}.tmp")
    # A file name on the disk need not be valid text.
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    fsync_path(temporary)
    temporary.replace(path)


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
