"""tf-slim's resnet_v1_50, 101 and 152; checkpoints of TensorFlow 1.

The stride between two stages is in the last unit of the earlier one, whose shortcut only subsamples. Convolutions
with a stride are padded symmetrically, the pooling is not. The last layer is a 1x1 convolution. Training subtracts
the mean of each channel and leaves the range of 0 to 255.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.weights.maps.resnets import (
    FIRST_LAYER,
    HEAD,
    NORMS,
    OPTIONS,
    Place,
    depth_of,
    member,
    resnet_pairs,
)
from models.weights.naming import CONV_1X1, Pair, WeightsMap, minus_mean

if TYPE_CHECKING:
    from models.convnet import ConvNet

SLIM = "slim resnet_v1"
VGG_MEAN = (123.68, 116.78, 103.94)  # red, green, blue in 0 to 255
VGG = minus_mean(*VGG_MEAN)
DEPTHS = (50, 101, 152, 200)


def _name(place: Place) -> str:
    """Return `block2/unit_1/bottleneck_v1/conv3/BatchNorm/gamma` for our `stage2/block1/conv3/gamma`."""
    layer = {"stem": "conv1", "fc": "logits"}.get(place.layer, place.layer)
    unit = f"block{place.stage}/unit_{place.block}/bottleneck_v1/" if place.stage else ""
    norm = "BatchNorm/" if place.kind in NORMS else ""
    return f"{unit}{layer}/{norm}{place.kind}"


def _pairs(model: "ConvNet") -> list[Pair]:
    scope = f"resnet_v1_{depth_of(model, SLIM)}"
    return resnet_pairs(model, SLIM, lambda place: f"{scope}/{_name(place)}", {"fc": CONV_1X1})


def _is_slim(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return any(f"resnet_v1_{depth}/conv1/weights" in shapes for depth in DEPTHS)


SLIM_RESNET = WeightsMap(
    name=SLIM,
    member=member,
    recognises=_is_slim,
    pairs=_pairs,
    preprocessing=VGG,
    first_layer=FIRST_LAYER,
    head=HEAD,
    options={**OPTIONS, "stride_block": "last", "pool_padding": "SAME"},
    ignored=r".*/mean_rgb",
)
