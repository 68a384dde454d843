"""Write weights for other programs: `.npz`, `.safetensors`, PyTorch's `.pth` and Keras' `.h5`.

A file appears as a whole or not at all.
"""

import contextlib
import json
import os
import struct
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.weights.errors import WeightsError
from models.weights.readers.keras_files import WEIGHT_NAMES

# target: the suffixes of its files
TARGETS = {
    "torchvision": (".pth", ".pt", ".safetensors"),
    "keras": (".h5",),  # .weights.h5 included
    "npz": (".npz",),
    "safetensors": (".safetensors",),
}
METADATA = "metadata"  # the name under which `.npz` and `.h5` have it, as JSON


def write_weights(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write float32 tensors in the form that the suffix says.

    :param path: `.npz`, for numpy.load; `.safetensors`; `.pth` or `.pt`, a state dict for torch.load; `.h5` or, for
        Keras 3 alone, `.weights.h5`, for `load_weights` of a Keras model, with tensors named LAYER/WEIGHT in the
        order of the model's layers.
    :param metadata: facts about the weights; `.pth` has no place for them.
    :raises WeightsError: the suffix is another one, or the file exists or cannot be written.
    """
    path = Path(path)
    write = _writer(path)
    _check_absent(path)
    plain = {name: np.asarray(tensor, np.float32, order="C") for name, tensor in tensors.items()}
    try:
        with _replacing(path) as temporary:
            write(temporary, plain, metadata)
    except OSError as error:
        raise WeightsError(f"cannot write '{path}': {error.strerror or error}; give another place") from error


Writer = Callable[[Path, Mapping[str, np.ndarray], Mapping[str, str]], None]


def check_target(path: Path, target: str) -> None:
    """Raise WeightsError if the name is not one of a file for `target`, or the file exists."""
    if path.suffix.lower() not in TARGETS[target]:
        suffixes = " or ".join(TARGETS[target])
        raise WeightsError(f"the name of a file for {target} must end in {suffixes}; rename '{path}'")
    _check_absent(path)


def _writer(path: Path) -> Writer:
    """Return the function that writes files with the suffix of a name."""
    write = next((known for suffix, known in _WRITERS.items() if path.name.lower().endswith(suffix)), None)
    if write is None:
        raise WeightsError(f"cannot write '{path}': its name must end in one of {', '.join(_WRITERS)}")
    return write


def _check_absent(path: Path) -> None:
    if os.path.lexists(path):
        raise WeightsError(f"'{path}' exists; choose another name, or remove it first")


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
    """Write the older format of Keras: groups by the layers' names, and the order of the layers."""
    layers = _layers(tensors)
    with _hdf5(path, metadata) as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.15.0"
        for layer, weights in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{weight}".encode() for weight in weights]
            for weight in weights:
                group[f"{layer}/{weight}"] = tensors[f"{layer}/{weight}"]


def _write_keras_3(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write the format of Keras 3: groups by the layers' classes, numbered in the order of the layers."""
    counts: Counter[str] = Counter()
    with _hdf5(path, metadata) as file:
        for layer, weights in _layers(tensors).items():
            kind = _class_of(tensors, layer, weights)
            group = file.create_group(f"layers/{kind}_{counts[kind]}".removesuffix("_0") + "/vars")
            group.attrs["name"] = layer
            counts[kind] += 1
            for index, weight in enumerate(weights):
                group[str(index)] = tensors[f"{layer}/{weight}"]


def _class_of(tensors: Mapping[str, np.ndarray], layer: str, weights: Sequence[str]) -> str:
    """Return the class of a layer as Keras 3 writes it, by the names and the shape of its weights."""
    rank = tensors[f"{layer}/{weights[0]}"].ndim
    ranks = {"batch_normalization": 1, "dense": 2, "conv2d": 4}
    for kind, expected in ranks.items():
        if rank == expected and tuple(weights) == WEIGHT_NAMES[kind][: len(weights)]:
            return kind
    raise WeightsError(
        f"the layer {layer} is not a convolution, batch normalisation or dense layer; write .h5"
    )


def _layers(tensors: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Return the names of the weights by layer."""
    layers: dict[str, list[str]] = {}
    for name in tensors:
        layer, _, weight = name.partition("/")
        if not layer or not weight or "/" in weight:
            raise WeightsError(
                f"the tensor {name} is not named LAYER/WEIGHT, as .h5 needs; write .safetensors"
            )
        layers.setdefault(layer, []).append(weight)
    return layers


@contextlib.contextmanager
def _hdf5(path: Path, metadata: Mapping[str, str]) -> Iterator[Any]:
    """Open a new HDF5 file that already has the metadata."""
    import h5py

    with h5py.File(path, "w") as file:
        file[METADATA] = np.frombuffer(json.dumps(dict(metadata)).encode(), np.uint8)
        yield file


# suffix: what writes such a file; longer suffixes come first
_WRITERS: dict[str, Writer] = {
    ".npz": _write_npz, ".safetensors": _write_safetensors, ".pth": _write_torch, ".pt": _write_torch,
    ".weights.h5": _write_keras_3, ".h5": _write_keras,
}  # fmt: skip
