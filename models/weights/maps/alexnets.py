"""What the maps of all AlexNets share: the variables of our network by layer, and the network's options."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.weights.naming import Pair, places_of

if TYPE_CHECKING:
    from models.convnet import ConvNet

FIRST_LAYER = "conv1/weights"
HEAD = "fc8"
# The network of Krizhevsky et al. 2012 for 227x227 pixels.
OPTIONS: dict[str, Any] = {
    "widths": [96, 256, 384, 384, 256],
    "groups": 2,
    "image_padding": 0,
    "local_response_norm": True,
}
_PLACE = re.compile(r"(?P<layer>conv[1-5]|fc[678])/(?P<kind>weights|biases)")


def alexnet_pairs(model: "ConvNet", source: str, pair_of: Callable[[str, str], Pair]) -> list[Pair]:
    """Return the pairs of all variables of an AlexNet.

    :param source: the name of the map in error messages.
    :param pair_of: gives the pair of a layer, such as fc6, and a kind, weights or biases.
    :raises WeightsError: the network is not an AlexNet.
    """
    advice = "build alexnet, without a variable scope around it"
    found = places_of(model, _PLACE, source, advice)
    return [pair_of(match["layer"], match["kind"]) for match in found.values()]
