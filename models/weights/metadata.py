"""Read the metadata of a file that `models.weights.export` wrote."""

import json
import zipfile
from pathlib import Path

import numpy as np

from models.weights.writing import METADATA

_MAX_BYTES = 16 * 2**20  # of the names of a million classes
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    EOFError,
    RuntimeError,
)


def class_names(path: Path) -> tuple[str, ...] | None:
    """Return the class names in a `.npz` or `.safetensors` of weights; None if it has none.

    :param path: a file that `read_weights` could read.
    """
    try:
        names = json.loads(_metadata(path)["classes"])
        return tuple(names) if isinstance(names, list) and all(type(name) is str for name in names) else None
    except (*_UNREADABLE, zipfile.BadZipFile):
        return None


def _metadata(path: Path) -> dict[str, str]:
    if not zipfile.is_zipfile(path):
        return _header(path)["__metadata__"]
    with zipfile.ZipFile(path) as archive, archive.open(f"{METADATA}.npy") as file:
        if archive.getinfo(f"{METADATA}.npy").file_size > _MAX_BYTES:
            raise ValueError("its metadata are too large")
        return json.loads(str(np.lib.format.read_array(file, allow_pickle=False)))


def _header(path: Path) -> dict[str, dict[str, str]]:
    """Return the JSON at the beginning of a `.safetensors`: behind its length, in 8 bytes."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MAX_BYTES:
            raise ValueError("its header is too large")
        return json.loads(file.read(length))
