"""Expand paths as users write them, and compute digests of files."""

import hashlib
from pathlib import Path

_PIECE = 2**20  # bytes


def expanded(path: Path | str) -> Path:
    """Return the path with a leading ~ replaced by the user's home; unchanged if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex. The file is read in pieces, since it may be larger than the memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
