"""Read the weights in a file or a checkpoint, whichever program wrote it.

    read_weights("resnet50-0676ba61.pth").tensors["conv1.weight"]      # (64, 3, 7, 7) float32

The content decides the format, not the name.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from models.runtime.tensorflow_paths import PathError
from models.weights.errors import WeightsError
from models.weights.readers.archives import Archive
from models.weights.readers.checkpoint_paths import V1_END, checkpoint_bytes, find_prefix
from models.weights.readers.hdf5 import MAGIC as HDF5_MAGIC
from models.weights.readers.keras_files import keras_entries
from models.weights.readers.limits import MAX_FILE_BYTES, MAX_NAME, MAX_TENSORS, Budget, Entry, shown
from models.weights.readers.numpy_files import NPY_MAGIC, npy_entries, npz_entries
from models.weights.readers.safetensors_files import is_safetensors, safetensors_entries
from models.weights.readers.torch_files import LEGACY_MAGIC, is_torch_archive, legacy_entries, zip_entries

Kind = Literal["tensorflow", "torch", "numpy", "safetensors", "keras"]
_KERAS_MEMBER = "model.weights.h5"  # of a `.keras` archive


class Weights(NamedTuple):
    """The weights of one source.

    :param tensors: by their names in the file, with the levels of nested names joined by '/'; float32, all numbers
        finite. Integers and strings of the file, such as counters, are left out.
    :param kind: the program whose format it is.
    :param where: the path, on one line, for messages.
    """

    tensors: dict[str, np.ndarray]
    kind: Kind
    where: str


def read_weights(source: str | os.PathLike[str]) -> Weights:
    """Read all floating-point tensors of a file, of a checkpoint, or of a folder with one checkpoint.

    Known are checkpoints of TensorFlow by their prefix, `.npz`, `.npy`, `.safetensors`, PyTorch's `.pth` (a state
    dict, alone or in a training script's checkpoint; the prefix "module." is left out), and Keras' `.h5`,
    `.weights.h5` and `.keras`. `models.weights.readers` says how each names its tensors. No code in a file is run,
    and a file that claims to hold far more than its size is refused before memory is taken.

    :param source: the path; for a run directory its selected weights are read.
    :raises WeightsError: there is no such file, it cannot be read, is not of these formats, has no tensors, or has
        NaN or Inf.
    """
    path = Path(source)
    try:
        prefix = find_prefix(path)
        kind, entries = _of_prefix(prefix) if prefix else _of_file(path)
        tensors = _collect(entries, _num_bytes(prefix) if prefix else path.stat().st_size)
    except WeightsError as error:
        raise WeightsError(f"cannot read weights from '{shown_path(path)}': {error}") from error
    except (PathError, MemoryError):
        raise
    except Exception as error:  # a garbled file can fail in any way
        reason = shown(f"{type(error).__name__}: {error}")
        raise WeightsError(
            f"cannot read weights from '{shown_path(path)}': it is damaged or of another format ({reason}); "
            "download it again"
        ) from error
    return Weights(tensors, kind, shown_path(path))


def shown_path(path: Path) -> str:
    """Return a path on one line, with control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(path))


def _of_prefix(prefix: Path) -> tuple[Kind, Iterator[Entry]]:
    from models.weights.readers.checkpoint_files import checkpoint_entries  # imports TensorFlow

    return "tensorflow", checkpoint_entries(prefix)


def _num_bytes(prefix: Path) -> int:
    """Return the size of a checkpoint's files; WeightsError if it is not one that weights may have."""
    num_bytes = checkpoint_bytes(prefix)
    if num_bytes > MAX_FILE_BYTES:
        raise WeightsError(f"its files are larger than {MAX_FILE_BYTES} bytes; give weights of one network")
    return num_bytes


def _of_file(path: Path) -> tuple[Kind, Iterator[Entry]]:
    """Return the kind and the tensors of a single file."""
    content = _content(path)
    if content.endswith(V1_END):
        return _of_prefix(path)
    if content.startswith(HDF5_MAGIC):
        return "keras", keras_entries(content)
    if content.startswith(NPY_MAGIC):
        return "numpy", npy_entries(content)
    if content.startswith(LEGACY_MAGIC):
        return "torch", legacy_entries(content)
    if content.startswith(b"PK"):
        return _of_archive(Archive(content))
    if is_safetensors(content[:9], len(content)):
        return "safetensors", safetensors_entries(content)
    raise WeightsError(
        "it is not a checkpoint, .npz, .npy, .safetensors, .pth, .h5 or .keras by its content; give one of these"
    )


def _content(path: Path) -> bytes:
    """Return the bytes of a regular file of a size that weights may have."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise WeightsError("it is not a regular file; give a file or a folder")
        if status.st_size > MAX_FILE_BYTES:
            raise WeightsError(f"it is larger than {MAX_FILE_BYTES} bytes; give weights of one network")
        return path.read_bytes()
    except FileNotFoundError:
        raise WeightsError(
            "there is no such file, folder or prefix of a checkpoint; check the path"
        ) from None
    except OSError as error:
        raise WeightsError(f"{error.strerror}; check the path and its permissions") from error


def _of_archive(archive: Archive) -> tuple[Kind, Iterator[Entry]]:
    if is_torch_archive(archive):
        return "torch", zip_entries(archive)
    if _KERAS_MEMBER in archive.names:
        return "keras", keras_entries(archive.read(_KERAS_MEMBER))
    return "numpy", npz_entries(archive)


def _collect(entries: Iterator[Entry], file_bytes: int) -> dict[str, np.ndarray]:
    """Return the tensors as float32, each checked before it is read."""
    tensors: dict[str, np.ndarray] = {}
    budget = Budget(file_bytes)
    for name, shape, load in entries:
        if name in tensors or not 0 < len(name) <= MAX_NAME:
            raise WeightsError(
                f"its tensor name {shown(name)} is empty, too long or not the only one; rename it"
            )
        if len(tensors) >= MAX_TENSORS:
            raise WeightsError(f"it has more than {MAX_TENSORS} tensors; do not use this file")
        budget.take(4 * int(np.prod(shape, dtype=np.int64)), name)
        tensors[name] = _finite(np.asarray(load()), name)
    if not tensors:
        raise WeightsError("it has no tensors of floating-point numbers; give a file of weights")
    return tensors


def _finite(tensor: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(tensor, np.float32).reshape(tensor.shape)
    if not np.isfinite(values).all():
        raise WeightsError(
            f"{shown(name)} has NaN, Inf or numbers too large for float32; do not use these weights"
        )
    return values
