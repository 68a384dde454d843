"""Write a network of this project for other programs, by the maps that read their weights.

The weights of the first layer stay as they are, so the other program's network takes X - mean, with X in [0, 1] in
the order red, green, blue, and a standard deviation of 1. The metadata of the file say so.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from models.catalogue import check_options, model_class
from models.convnet import ConvNet
from models.weights.errors import WeightsError
from models.weights.files import read_weights, shown_path
from models.weights.load import MEAN, SCALE, other_options
from models.weights.maps.keras import KERAS_RESNET
from models.weights.maps.torchvision import TORCHVISION_ALEXNET, TORCHVISION_RESNET
from models.weights.naming import WeightsMap
from models.weights.writing import check_target, write_weights

# target: the maps of its networks; other targets have our own names
MAPS: dict[str, tuple[WeightsMap, ...]] = {
    "torchvision": (TORCHVISION_RESNET, TORCHVISION_ALEXNET),
    "keras": (KERAS_RESNET,),
}
# The order in which Keras's ResNets have the layers of a block, where the shortcut's have the number 0.
_KERAS_LAYERS = ("1_conv", "1_bn", "2_conv", "2_bn", "0_conv", "3_conv", "0_bn", "3_bn")
_KERAS_WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


class Network(NamedTuple):
    """A trained network, without its weights."""

    name: str  # in the catalogue, or dotted
    options: dict[str, Any]
    input_shape: tuple[int, ...]  # (H, W, C)
    class_names: Sequence[str]


def export_weights(
    network: Network, source: str | os.PathLike[str], target: str, path: str | os.PathLike[str]
) -> dict[str, str]:
    """Write the weights of a network of this project for another library.

    :param source: where its weights are, see `read_weights`.
    :param target: "torchvision" or "keras", to be loaded into the network of that library; "npz" or "safetensors"
        with our names, scale and mean included.
    :param path: the file; for torchvision `.pth`, `.pt` or `.safetensors`, for keras `.h5` or `.weights.h5`.
    :return: what the file says about the weights, each as JSON: model, options, input_shape, classes,
        preprocessing.
    :raises WeightsError: the weights cannot be read or are not of this network, the other library has no such
        network, its network computes other results with these weights, or the file exists or cannot be written.
    """
    where, path = shown_path(Path(source)), Path(path)
    maps = MAPS.get(target, ())
    check_target(path, target)
    tensors = read_weights(source).tensors
    model = _built(network, tensors, where)
    values = _values(model, tensors, where)
    metadata = _metadata(network, tensors[MEAN], bool(maps))
    write_weights(path, _renamed(model, values, maps, target) if maps else values, metadata)
    return metadata


def _built(network: Network, tensors: Mapping[str, np.ndarray], where: str) -> ConvNet:
    """Build the network in its own graph."""
    if MEAN not in tensors or SCALE not in tensors:
        raise WeightsError(
            f"'{where}' has no {MEAN} or {SCALE}, so no network of this project was saved there"
        )
    try:
        network_class = model_class(network.name)
        check_options(network_class, network.options)
        with tf.Graph().as_default():
            mean = np.zeros(tensors[MEAN].shape)
            count = len(network.class_names)
            return network_class(network.input_shape, count, image_mean=mean, **network.options)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"cannot build the network {network.name} of '{where}': {error}") from error


def _values(model: ConvNet, tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Return the network's variables of floating-point numbers, without what only training needs."""
    floating = [v for v in model.variables if v.dtype.base_dtype.is_floating]
    shapes = {v.op.name: tuple(v.shape.as_list()) for v in floating}
    wrong = [name for name, shape in shapes.items() if name not in tensors or tensors[name].shape != shape]
    if wrong:
        raise WeightsError(
            f"the weights in '{where}' are not of this network: {wrong[0]} is missing or of another shape, one of "
            f"{len(wrong)}; restore them from a copy"
        )
    return {name: tensors[name] for name in shapes}


def _renamed(
    model: ConvNet, values: Mapping[str, np.ndarray], maps: Sequence[WeightsMap], target: str
) -> dict[str, np.ndarray]:
    """Return the tensors of the other library's network. WeightsError if it has none that computes the same."""
    chosen, pairs = _chosen(model, maps, target)
    wrong = other_options(model, chosen)
    if wrong:
        raise WeightsError(
            f"{chosen.name} computes other results with these weights, because its options differ: "
            f"{'; '.join(wrong)}; train with these values, or export with --to safetensors"
        )
    if values[MEAN].ndim > 1:
        raise WeightsError(
            f"the run subtracts a mean of each pixel, which {target} has no place for; export with --to safetensors"
        )
    left = values.keys() - {pair.ours for pair in pairs} - {SCALE, MEAN}
    if left:
        raise WeightsError(
            f"{chosen.name} has no counterpart of {sorted(left)[0]}; export with --to safetensors"
        )
    tensors = {pair.theirs: pair.layout.to_theirs(values[pair.ours]) for pair in pairs}
    return _in_order_of_keras(tensors) if target == "keras" else tensors


def _chosen(model: ConvNet, maps: Sequence[WeightsMap], target: str) -> tuple[WeightsMap, Any]:
    for weights_map in maps:
        try:
            return weights_map, list(weights_map.pairs(model))
        except WeightsError:
            continue
    raise WeightsError(f"{target} has no network like {type(model).__name__}; export with --to safetensors")


def _in_order_of_keras(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a ResNet in the order of the layers of Keras' model, by which it reads them."""
    if not any("_3_conv/" in name for name in tensors):
        raise WeightsError("Keras has ResNets of 50, 101 and 152 layers only; export with --to safetensors")

    def place(name: str) -> tuple[int, int, int, int]:
        layer, _, weight = name.partition("/")
        rank = _KERAS_WEIGHTS.index(weight)
        block, _, rest = layer.removeprefix("conv").partition("_block")
        if not rest:  # of the stem, conv1_conv and conv1_bn, or of the last layer
            return (0 if layer.startswith("conv1_") else 99), 0, layer.endswith("_bn"), rank
        number, _, part = rest.partition("_")
        return int(block), int(number), _KERAS_LAYERS.index(part), rank

    return {name: tensors[name] for name in sorted(tensors, key=place)}


def _metadata(network: Network, mean: np.ndarray, is_renamed: bool) -> dict[str, str]:
    preprocessing: dict[str, Any] | str = f"images * {SCALE} - {MEAN}"
    if is_renamed:
        std = [1.0] * network.input_shape[2]
        preprocessing = {"range": [0, 1], "channels": "RGB", "mean": np.atleast_1d(mean).tolist(), "std": std}
    entries = {
        "model": network.name, "options": network.options, "input_shape": network.input_shape,
        "classes": network.class_names,
        "preprocessing": preprocessing,
    }  # fmt: skip
    return {name: json.dumps(value, default=str) for name, value in entries.items()}
