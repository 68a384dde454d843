"""Expand paths as users write them, and compute digests of files."""

import hashlib
from pathlib import Path


def expanded(path: Path | str) -> Path:
    """Return the path with a leading ~ replaced by the home directory; unchanged if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex, reading the file in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
