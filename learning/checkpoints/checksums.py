"""Keep checksums of a folder's files in the folder, and find files that were damaged since."""

import errno
import json
import re
import stat
from pathlib import Path

from datasets.storage.atomic import write_text
from datasets.storage.paths import file_digest
from datasets.storage.untrusted import MAX_JSON_BYTES, parse_json, read_text
from learning.errors import StorageError

CHECKSUMS_FILE = "checksums.json"


def write_checksums(folder: Path) -> None:
    """Write checksums.json in `folder`: name, size in bytes and SHA-256 of every other file there."""
    sums = {
        path.name: {"size": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(folder.iterdir())
        if path.name != CHECKSUMS_FILE
    }
    write_text(folder / CHECKSUMS_FILE, json.dumps(sums, indent=1))


def find_damage(folder: Path) -> str | None:
    """Return what differs in `folder` from its checksums.json, or None; files that it does not list are ignored."""
    try:
        sums = parse_json(read_text(folder / CHECKSUMS_FILE, MAX_JSON_BYTES))
        expected = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in sums.items()}
    except OSError as error:
        return _unreadable(folder / CHECKSUMS_FILE, error)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return f"cannot read {CHECKSUMS_FILE}: {error}"
    if not expected:
        return f"{CHECKSUMS_FILE} names no files"
    problems = (
        check(folder, name, *entry)
        for check in (_size_differs, _content_differs)  # all sizes first: they cost nothing
        for name, entry in expected.items()
    )
    return next(filter(None, problems), None)


def _size_differs(folder: Path, name: str, size: int, digest: str) -> str | None:
    if not re.fullmatch(r"[\w.-]+", name) or name in (".", ".."):
        return f"{CHECKSUMS_FILE} names {name!r}, which is not a file of the folder"
    try:
        status = (folder / name).stat()
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return _unreadable(folder / name, error)
    if not stat.S_ISREG(status.st_mode):
        return f"{name} is not a regular file"
    return None if status.st_size == size else f"{name} has {status.st_size} bytes, not {size}"


def _content_differs(folder: Path, name: str, size: int, digest: str) -> str | None:
    try:
        return None if file_digest(folder / name) == digest else f"the SHA-256 of {name} differs"
    except OSError as error:
        return _unreadable(folder / name, error)


def _unreadable(path: Path, error: OSError) -> str:
    """Return why a file cannot be read. StorageError if the reason says nothing about its content."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise StorageError(f"cannot read {path}: {error.strerror}; nothing is known to be damaged") from error
    return f"cannot read {path.name}: {error.strerror}"
