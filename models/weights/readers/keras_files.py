"""Name the weights in files of Keras: `.h5` of every version, `.weights.h5` and `.keras` of version 3.

Tensors are named LAYER/WEIGHT, such as "conv1_conv/kernel", "conv1_bn/moving_mean" and "predictions/bias", whatever
the file. The older format stores these names. Version 3 stores groups by class, such as "layers/conv2d_3/vars/0",
with the layer's name as an attribute; the names of the weights follow from the class, and for classes that
WEIGHT_NAMES lacks they are numbers ("my_layer/0").
"""

import re
from collections.abc import Iterator

import numpy as np

from models.weights.errors import WeightsError
from models.weights.readers.hdf5 import Hdf5Array, Hdf5Group, read_hdf5
from models.weights.readers.limits import Entry, bfloat16_values, shown

_NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
# class of a layer, as version 3 writes it: the names of its weights in order
WEIGHT_NAMES = {
    "conv2d": ("kernel", "bias"), "depthwise_conv2d": ("kernel", "bias"), "dense": ("kernel", "bias"),
    "batch_normalization": _NORMALISATION,
}  # fmt: skip
_OPTIMIZER = "optimizer"


def keras_entries(content: bytes) -> Iterator[Entry]:
    """Yield the tensors of an HDF5 file of Keras, without the optimizer's.

    :raises WeightsError: it is not of Keras, or has parts that Keras does not write.
    """
    file = read_hdf5(content)
    whole_model = file.children.get("model_weights")
    group = whole_model if isinstance(whole_model, Hdf5Group) else file
    if any(name.startswith("layer_names") for name in group.attributes):
        for name, layer in group.children.items():
            yield from _older_entries(layer, name)
    elif "layers" in file.children or "vars" in file.children:
        yield from _entries(file, "")
    else:
        raise WeightsError("it is an HDF5 file, but not of Keras' weights; save them with model.save_weights")


def _older_entries(item: Hdf5Group | Hdf5Array, name: str) -> Iterator[Entry]:
    """Yield the tensors of one layer; of their paths the last two parts count, without the names of models."""
    if isinstance(item, Hdf5Array):
        yield from _entry(item, "/".join(name.removesuffix(":0").split("/")[-2:]))
        return
    for key, child in item.children.items():
        yield from _older_entries(child, f"{name}/{key}")


def _entries(group: Hdf5Group, class_name: str) -> Iterator[Entry]:
    """Yield the tensors of a group of version 3 and of the groups in it.

    :param class_name: the group's name: a layer's class and, from the second layer of it, a number ("conv2d_3").
    """
    for key, child in group.children.items():
        if isinstance(child, Hdf5Group) and key == "vars":
            yield from _layer_entries(child, class_name)
        elif isinstance(child, Hdf5Group) and key != _OPTIMIZER:
            yield from _entries(child, key)


def _layer_entries(variables: Hdf5Group, class_name: str) -> Iterator[Entry]:
    layer = "".join(variables.attributes.get("name", [class_name]))
    names = WEIGHT_NAMES.get(re.sub(r"_\d+$", "", class_name), ())
    if names == _NORMALISATION and len(variables.children) != len(names):
        names = ()  # without scale or offset: which of them is missing is not known
    for key, array in variables.children.items():
        weight = names[int(key)] if re.fullmatch(r"\d", key) and int(key) < len(names) else key
        if isinstance(array, Hdf5Array):
            yield from _entry(array, f"{layer}/{weight}")


def _entry(array: Hdf5Array, name: str) -> Iterator[Entry]:
    if array.attributes.get("dtype") == ["bfloat16"]:
        bits = array._replace(dtype=np.dtype("<u2"))
        yield Entry(name, array.shape, lambda: bfloat16_values(bits.read()))
    elif array.dtype is None:
        raise WeightsError(f"{shown(name)} has numbers of an unknown kind; save the weights as float32")
    elif array.dtype.kind == "f":
        yield Entry(name, array.shape, array.read)
