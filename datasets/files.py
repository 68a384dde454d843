"""Files on the disk: where they are, their content as a digest, and the wait until they are really there."""

import hashlib
import os
from pathlib import Path

_PIECE = 2**20  # bytes
ON_WINDOWS = os.name == "nt"


def expanded(path: Path | str) -> Path:
    """The path with a leading ~ as the user's home; as it is where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def file_digest(path: Path) -> str:
    """SHA-256 in hex of a file of any size, read in pieces: it may be larger than the memory that is left."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def fsync_path(path: Path) -> None:
    """Asks the system to put a file, or the entries of a folder, on the disk now.

    Windows, which does not know the latter, writes a rename at once.
    """
    if ON_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if ON_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
