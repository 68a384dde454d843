"""Compare files on disk with the official ones by size and SHA-256."""

from functools import lru_cache
from pathlib import Path

from datasets.catalogue import DATASETS
from datasets.download.known_files import OfficialFile
from datasets.errors import DataError, escape_name
from datasets.storage.paths import file_digest

_ADVICE = (
    "download it again, or, if you changed it on purpose, unpack it and give the folder, or give it another "
    "name"
)


def check_official(path: Path) -> None:
    """Refuse a file with the name of an official archive but other content; ignore other names.

    :raises DataError: gives the expected and the actual size or hash.
    """
    for file in (file for entry in DATASETS.values() for file in entry.verified):
        if file.name == path.name and path.is_file():
            compare(file, path, _ADVICE)


def compare(file: OfficialFile, path: Path, advice: str) -> None:
    """Refuse a file that is not the official one.

    :param advice: the end of the message.
    """
    shown, status = escape_name(path), path.stat()
    if status.st_size != file.size:
        raise DataError(
            f"'{shown}' is not the official file: expected {file.size} bytes, got {status.st_size}; {advice}"
        )
    actual = _sha256(path, status.st_size, status.st_mtime_ns)
    if actual != file.sha256:
        raise DataError(
            f"'{shown}' is not the official file: expected SHA-256 {file.sha256}, got {actual}; {advice}"
        )


@lru_cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Return the hash, computed once per process for each state of a file."""
    return file_digest(path)
