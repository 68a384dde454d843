"""The official TensorFlow models' ResNet-50, 101 and 152 of version 1; checkpoints of release r1.

Variables have the names of `tf.layers`, numbered in order of creation: in a block first the shortcut, then the
convolutions. Convolutions with a stride are padded symmetrically, the pooling is not. Training subtracts the mean
of each channel and leaves the range of 0 to 255. Published checkpoints have 1,001 classes, the first of which is
the background.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.weights.errors import WeightsError
from models.weights.maps.resnets import FIRST_LAYER, HEAD, NORMS, OPTIONS, Place, member, places
from models.weights.maps.slim import VGG
from models.weights.naming import Pair, WeightsMap

if TYPE_CHECKING:
    from models.convnet import ConvNet

OFFICIAL = "official TensorFlow ResNet"
_ORDER = ("stem", "shortcut", "conv1", "conv2", "conv3", "fc")
_KINDS = {"weights": "kernel", "biases": "bias"}


def _pairs(model: "ConvNet") -> list[Pair]:
    found = places(model, OFFICIAL)
    if Place(1, 1, "shortcut", "weights") not in found.values():
        raise WeightsError(
            f"{OFFICIAL} projects the first shortcut, which {type(model).__name__} does not; "
            "build resnet50, resnet101 or resnet152"
        )
    filters = [place for place in found.values() if place.kind == "weights" and place.layer != "fc"]
    filters.sort(key=lambda place: (place.stage, place.block, _ORDER.index(place.layer)))
    numbers = {place[:3]: number for number, place in enumerate(filters)}
    return [Pair(name, _name(place, numbers.get(place[:3], 0))) for name, place in found.items()]


def _name(place: Place, number: int) -> str:
    """Return `resnet_model/batch_normalization_4/gamma` for the gamma of the fifth convolution."""
    layer = "batch_normalization" if place.kind in NORMS else "dense" if place.layer == "fc" else "conv2d"
    suffix = f"_{number}" if number else ""
    return f"resnet_model/{layer}{suffix}/{_KINDS.get(place.kind, place.kind)}"


def _is_official(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether it is of version 1, which normalises the first shortcut after its convolution."""
    filters = shapes.get("resnet_model/conv2d_1/kernel", ())
    norm = shapes.get("resnet_model/batch_normalization_1/gamma", ())
    return "resnet_model/conv2d/kernel" in shapes and len(filters) == 4 and filters[-1:] == norm


OFFICIAL_RESNET = WeightsMap(
    name=OFFICIAL,
    member=member,
    recognises=_is_official,
    pairs=_pairs,
    preprocessing=VGG,
    first_layer=FIRST_LAYER,
    head=HEAD,
    options={**OPTIONS, "pool_padding": "SAME"},
)
