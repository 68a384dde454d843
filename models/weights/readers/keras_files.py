"""Read the weights of Keras: `.h5` of every version, `.weights.h5` and `.keras` of version 3.

Tensors are named LAYER/WEIGHT, such as "conv1_conv/kernel", "conv1_bn/moving_mean" and "predictions/bias", whatever
the file. The older format stores these names. The format of version 3 stores groups by class, such as
"layers/conv2d_3/vars/0", with the layer's name as an attribute; the names of the weights follow from the class, and
are numbers ("my_layer/0") for classes that WEIGHT_NAMES lacks.
"""

import io
import re
from collections.abc import Iterator

import h5py
import numpy as np

from models.weights.errors import WeightsError
from models.weights.readers.limits import MAX_TENSORS, Entry, bfloat16_values, checked_shape, shown

_NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
# class of a layer, as version 3 writes it: the names of its weights in order
WEIGHT_NAMES = {
    "conv2d": ("kernel", "bias"), "depthwise_conv2d": ("kernel", "bias"), "dense": ("kernel", "bias"),
    "batch_normalization": _NORMALISATION,
}  # fmt: skip
_MAX_DEPTH = 12  # of groups within each other: models within models


def keras_entries(content: bytes) -> Iterator[Entry]:
    """Yield the tensors of an HDF5 file of Keras.

    :raises WeightsError: it is not of Keras, or refers to other files.
    """
    with h5py.File(io.BytesIO(content), "r") as file:
        group = _child(file, "model_weights") if "model_weights" in file else file
        if any(name.startswith("layer_names") for name in group.attrs):
            yield from _older_entries(group)
        elif "layers" in file or "vars" in file:
            yield from _groups_entries(file, "", _MAX_DEPTH)
        else:
            raise WeightsError(
                "it is an HDF5 file, but not of Keras' weights; save them with model.save_weights"
            )


def _older_entries(group: h5py.Group) -> Iterator[Entry]:
    for layer in [*_texts(group, "layer_names"), "top_level_model_weights"]:
        if layer in group:
            layer_group = _child(group, layer)
            for weight in _texts(layer_group, "weight_names"):
                yield from _entry(_dataset(layer_group, weight), weight.removesuffix(":0"))


def _texts(group: h5py.Group, name: str) -> list[str]:
    """Return an attribute of texts; Keras splits a long one into NAME0, NAME1, and so on."""
    pieces = [name] if name in group.attrs else []
    while not pieces or pieces[-1] != name:
        piece = f"{name}{len(pieces)}"
        if piece not in group.attrs:
            break
        pieces.append(piece)
    texts = [text for piece in pieces for text in np.atleast_1d(group.attrs[piece])]
    return [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts]


def _groups_entries(group: h5py.Group, name: str, depth: int) -> Iterator[Entry]:
    """Yield the tensors of a group of version 3 and of the groups in it, without those of the optimizer."""
    if depth == 0 or len(group) > MAX_TENSORS:
        raise WeightsError("its groups are nested too deep or too many; do not use this file")
    for key in group:
        if key == "vars":
            yield from _layer_entries(_child(group, key), name)
        elif group.get(key, getclass=True) is h5py.Group and key != "optimizer":
            yield from _groups_entries(_child(group, key), key, depth - 1)


def _layer_entries(variables: h5py.Group, class_name: str) -> Iterator[Entry]:
    """Yield the tensors of one layer.

    :param class_name: of the group: the class and, from the second layer of it, a number ("conv2d_3").
    """
    layer = variables.attrs.get("name", class_name)
    layer = layer if isinstance(layer, str) else class_name
    names = WEIGHT_NAMES.get(class_name) or WEIGHT_NAMES.get(re.sub(r"_\d+$", "", class_name), ())
    if names == _NORMALISATION and len(variables) != len(names):
        names = ()  # without scale or offset, which of both is missing is not known
    for key in variables:
        weight = names[int(key)] if key.isdecimal() and int(key) < len(names) else key
        yield from _entry(_dataset(variables, key), f"{layer}/{weight}")


def _child(group: h5py.Group, name: str) -> h5py.Group:
    _check_link(group, name)
    child = group[name]
    if not isinstance(child, h5py.Group):
        raise WeightsError(f"{shown(name)} is not a group; download it again")
    return child


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return the dataset at a path with "/", below `group`."""
    *folders, last = name.split("/")
    for folder in folders:
        group = _child(group, folder)
    _check_link(group, last)
    dataset = group[last]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise WeightsError(f"{shown(name)} is not an array of this file; do not use it")
    return dataset


def _check_link(group: h5py.Group, name: str) -> None:
    if name in ("", ".", "..") or "/" in name or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise WeightsError(f"{shown(name)} is missing or refers to another place; do not use this file")


def _entry(dataset: h5py.Dataset, name: str) -> Iterator[Entry]:
    is_bfloat16 = dataset.attrs.get("dtype") == "bfloat16"
    if dataset.dtype.kind == "f" or is_bfloat16:
        shape = checked_shape(dataset.shape, name)
        yield Entry(name, shape, lambda: _bfloat16(dataset[()]) if is_bfloat16 else dataset[()])


def _bfloat16(bits: np.ndarray) -> np.ndarray:
    return bfloat16_values(bits.astype(np.uint16))
