"""The vocabulary of the maps: which of our variables is which tensor of a source, and how their layouts differ.

A map is data that is read in both directions: `models.weights.load` goes from the source to our variables, and
`models.weights.export` back.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.weights.errors import WeightsError

if TYPE_CHECKING:
    from models.convnet import ConvNet


# Variables of ours that belong to the data of a run, not to its network. They are never loaded.
_OF_DATA = re.compile(r"(.*/)?loss/class_weights")


def is_of_data(name: str) -> bool:
    """Return whether a variable, such as the weights of the classes, comes from each run's data."""
    return _OF_DATA.fullmatch(name) is not None


def places_of(
    model: "ConvNet", pattern: re.Pattern[str], source: str, advice: str
) -> dict[str, re.Match[str]]:
    """Return how the names of a network's variables match, without preprocessing and what belongs to the data.

    :param source: what the map is called in the message of an error.
    :param advice: which network to build in place of one whose names do not match.
    :raises WeightsError: a name does not match.
    """
    found = {}
    for variable in model.variables:
        name = variable.op.name
        if name.startswith("preprocessing/") or is_of_data(name):
            continue
        match = pattern.fullmatch(name)
        if match is None:
            raise WeightsError(
                f"{source} has no counterpart of the variable {name} of {type(model).__name__}; {advice}"
            )
        found[name] = match
    return found


class Layout(NamedTuple):
    """A pair of functions that rearrange a tensor without changing its values."""

    to_ours: Callable[[np.ndarray], np.ndarray]
    to_theirs: Callable[[np.ndarray], np.ndarray]


def _transposed(*axes: int) -> Layout:
    back = tuple(int(axis) for axis in np.argsort(axes))
    return Layout(lambda tensor: tensor.transpose(axes), lambda tensor: tensor.transpose(back))


SAME = Layout(lambda tensor: tensor, lambda tensor: tensor)
OIHW = _transposed(2, 3, 1, 0)  # filters of PyTorch and Caffe (O, I, H, W); ours are (H, W, I, O)
CMHW = _transposed(2, 3, 0, 1)  # depthwise filters of PyTorch (C, 1, H, W); ours are (H, W, C, 1)
OD = _transposed(1, 0)  # fully connected weights of PyTorch (out, in); ours are (in, out)
CONV_1X1 = Layout(
    lambda tensor: tensor[0, 0], lambda tensor: tensor[np.newaxis, np.newaxis]
)  # (1, 1, in, out)


class Pair(NamedTuple):
    """One of our variables, by its name in the graph and its name in the source."""

    ours: str
    theirs: str
    layout: Layout = SAME


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the source's network expects: (X - mean) / std, with X in [0, 1].

    :param mean: one number for each channel, in the order red, green, blue.
    :param std: the same.
    :param is_bgr: the source's channels are in the order blue, green, red.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_bgr: bool = False


def minus_mean(*mean: float, is_bgr: bool = False) -> Preprocessing:
    """Return the preprocessing of a source that subtracts the mean of each channel in the range of 0 to 255.

    :param mean: in 0 to 255, in the order red, green, blue.
    """
    return Preprocessing(mean=tuple(value / 255 for value in mean), std=(1 / 255,) * 3, is_bgr=is_bgr)


# How PyTorch names the variables of a batch norm.
TORCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))  # torchvision's


@dataclass(frozen=True, kw_only=True)
class WeightsMap:
    """How one program stores one family of networks.

    :param name: in messages and records, such as "torchvision ResNet".
    :param recognises: whether tensors of these names and shapes are of this source. They may lack the last
        layer.
    :param pairs: all pairs for a network of ours, which was built with the right options. Raises WeightsError for a
        class that the source does not have.
    :param preprocessing: what the source was trained with, folded into our `preprocessing/mean` and the first
        convolution.
    :param first_layer: our name of the weights that read the image.
    :param head: our variable scope of the last layer, whose size may differ.
    :param options: options of our network that its weights were trained with, such as the padding.
    :param ignored: a regular expression that matches the names of the source's tensors without a counterpart.
    :param member: which network of the family tensors of these shapes are of, such as "-34"; "" if unknown.
    """

    name: str
    recognises: Callable[[Mapping[str, tuple[int, ...]]], bool]
    pairs: Callable[["ConvNet"], Collection[Pair]]
    preprocessing: Preprocessing
    first_layer: str
    head: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ignored: str = "(?!)"
    member: Callable[[Mapping[str, tuple[int, ...]]], str] = lambda shapes: ""
