"""What the maps of all ResNets share: where a variable of our network is, and the network's options."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from models.weights.naming import SAME, Layout, Pair, places_of

if TYPE_CHECKING:
    from models.convnet import ConvNet

NORMS = ("gamma", "beta", "moving_mean", "moving_variance")
FIRST_LAYER = "stem/weights"
HEAD = "fc"
# What torchvision's networks compute, from which other sources differ. All options that change the result are here,
# those with our default too, because a recipe may have set another value.
OPTIONS: dict[str, Any] = {
    "stem": "imagenet",
    "shortcut": "B",
    "is_plain": False,
    "first_stage_stride": 1,
    "bottleneck_stride": "3x3",
    "stride_block": "first",
    "conv_biases": False,
    "padding": "SYMMETRIC",
    "pool_padding": None,
    "batch_norm_epsilon": 1e-5,
}
# By the number of convolutions, shortcuts included (He et al. 2016, table 1).
DEPTHS = {20: 18, 36: 34, 53: 50, 104: 101, 155: 152}
_PLACE = re.compile(
    r"(?:(?P<outside>stem|fc)|stage(?P<stage>\d+)/block(?P<block>\d+)/(?P<layer>conv[123]|shortcut))/(?P<kind>\w+)"
)


class Place(NamedTuple):
    """Where a variable of our ResNet is: `stage2/block1/conv3/gamma` is Place(2, 1, "conv3", "gamma")."""

    stage: int  # from 1; 0 outside of the stages
    block: int  # of the stage, from 1; 0 outside of the stages
    layer: str  # stem, conv1 to conv3, shortcut or fc
    kind: str  # weights, biases, gamma, beta, moving_mean or moving_variance


def places(model: "ConvNet", source: str) -> dict[str, Place]:
    """Return the places of all variables of a ResNet, by name and in order of creation.

    :param source: what the map is called in the message of an error.
    :raises WeightsError: the network is not a ResNet.
    """
    found = {}
    advice = "build a ResNet, such as resnet50, without a variable scope around it"
    for name, match in places_of(model, _PLACE, source, advice).items():
        stage, block = int(match["stage"] or 0), int(match["block"] or 0)
        found[name] = Place(stage, block, match["outside"] or match["layer"], match["kind"])
    return found


def depth_of(model: "ConvNet", source: str) -> int:
    """Return the number in a ResNet's name, such as 50: it counts the layers of all blocks, the stem and the
    last."""
    found = places(model, source).values()
    return sum(place.kind == "weights" and place.layer != "shortcut" for place in found)


def member(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return "-34" for the tensors of a ResNet-34, "" if no ResNet has as many convolutions."""
    depth = DEPTHS.get(sum(len(shape) == 4 for shape in shapes.values()))
    return f"-{depth}" if depth else ""


def resnet_pairs(
    model: "ConvNet", source: str, name_of: Callable[[Place], str], layouts: Mapping[str, Layout]
) -> list[Pair]:
    """Return the pairs of all variables of a ResNet.

    :param source: what the map is called in the message of an error.
    :param name_of: gives the source's name of the variable at a place.
    :param layouts: of weights, by layer: `fc`, or `conv` for all others.
    """
    return [
        Pair(name, name_of(place), _layout(place, layouts)) for name, place in places(model, source).items()
    ]


def _layout(place: Place, layouts: Mapping[str, Layout]) -> Layout:
    if place.kind != "weights":
        return layouts.get(place.kind, SAME)
    return layouts.get("fc" if place.layer == "fc" else "conv", SAME)
