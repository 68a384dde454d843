"""Write weights for other programs: `.npz`, `.safetensors`, PyTorch's `.pth` and Keras' `.h5`.

A file appears as a whole or not at all.
"""

import contextlib
import json
import os
import re
import struct
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from models.weights.errors import WeightsError

METADATA = "metadata"  # the name under which `.npz` and `.h5` have it, as JSON


def write_weights(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write float32 tensors in the form that the suffix says.

    :param path: `.npz`, for numpy.load; `.safetensors`; `.pth` or `.pt`, a state dict for torch.load; `.h5`, for
        `load_weights` of a Keras model, with tensors named LAYER/WEIGHT in the order of the model's layers.
    :param metadata: what is said of the weights; `.pth` has no place for it.
    :raises WeightsError: the suffix is another one, or the file exists or cannot be written.
    """
    path = Path(path)
    write = check_target(path)
    plain = {name: np.asarray(tensor, np.float32, order="C") for name, tensor in tensors.items()}
    try:
        with _replacing(path) as temporary:
            write(temporary, plain, metadata)
    except OSError as error:
        raise WeightsError(f"cannot write '{path}': {error.strerror or error}; give another place") from error


Writer = Callable[[Path, Mapping[str, np.ndarray], Mapping[str, str]], None]


def check_target(path: Path) -> Writer:
    """Return what writes a file of this name; raise WeightsError if it is unknown, or the file exists."""
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise WeightsError(f"cannot write '{path}': its name must end in one of {', '.join(_WRITERS)}")
    if path.name.lower().endswith(".weights.h5"):
        raise WeightsError(
            f"cannot write '{path}': Keras reads names ending in .weights.h5 by the classes of a model's "
            "layers; let the name end in .h5 alone"
        )
    if os.path.lexists(path):
        raise WeightsError(f"'{path}' exists; choose another name, or remove it first")
    return write


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`. At the end the file becomes `path`; after an error it is removed."""
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_npz(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    if METADATA in tensors:
        raise WeightsError(f"a tensor is called {METADATA}, which .npz needs for itself; write .safetensors")
    with path.open("wb") as file:
        np.savez(file, **tensors, **{METADATA: np.array(json.dumps(dict(metadata)))})  # type: ignore[arg-type]


def _write_safetensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    from safetensors.numpy import save

    path.write_bytes(save(dict(tensors), {"format": "pt", **metadata}))


def _write_torch(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write the zip archive of `torch.save(state_dict)`: a pickle, and the numbers of each tensor."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", _torch_pickle(tensors))
        archive.writestr("archive/byteorder", "little")
        for index, tensor in enumerate(tensors.values()):
            archive.writestr(f"archive/data/{index}", tensor.astype("<f4").tobytes())
        archive.writestr("archive/version", "3\n")


def _torch_pickle(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the operations that build an ordered dictionary of tensors, which refer to storages by number."""
    content = b"\x80\x02ccollections\nOrderedDict\n)R("
    for index, (name, tensor) in enumerate(tensors.items()):
        strides = [stride // tensor.itemsize for stride in tensor.strides]
        storage = (
            b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(str(index)) + _text("cpu")
            + _number(tensor.size) + b"tQ"
        )  # fmt: skip
        arguments = storage + _number(0) + _numbers(tensor.shape) + _numbers(strides)
        no_hooks = b"\x89ccollections\nOrderedDict\n)R"  # nor gradients
        content += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + no_hooks + b"tR"
    return content + b"u."


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def _numbers(values: tuple[int, ...] | list[int]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


def _write_keras(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write the older format of Keras, which `load_weights` reads by the order of the layers."""
    import h5py

    layers: dict[str, list[str]] = {}
    for name in tensors:
        if not re.fullmatch(r"[^/]+/[^/]+", name):
            raise WeightsError(
                f"the tensor {name} is not named LAYER/WEIGHT, as .h5 needs; write .safetensors"
            )
        layers.setdefault(name.split("/")[0], []).append(name)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.15.0"
        for layer, names in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group[name] = tensors[name]
        file[METADATA] = np.frombuffer(json.dumps(dict(metadata)).encode(), np.uint8)


_WRITERS: dict[str, Writer] = {
    ".npz": _write_npz, ".safetensors": _write_safetensors, ".pth": _write_torch, ".pt": _write_torch,
    ".h5": _write_keras,
}  # fmt: skip
