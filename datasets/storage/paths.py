"""Paths as users write them, and digests of files."""

import hashlib
from pathlib import Path

_PIECE = 2**20  # bytes


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
