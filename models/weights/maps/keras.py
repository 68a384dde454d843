"""Keras's ResNet50, ResNet101 and ResNet152, the first version; `.h5`, `.weights.h5` and `.keras`.

The stride of a bottleneck block is in its first convolution, as in the paper, and convolutions have biases. Images
are in the order blue, green, red; training subtracts the mean of each channel and leaves the range of 0 to 255.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from models.weights.maps.resnets import FIRST_LAYER, HEAD, NORMS, OPTIONS, Place, member, resnet_pairs
from models.weights.naming import Pair, WeightsMap, minus_mean

if TYPE_CHECKING:
    from models.convnet import ConvNet

KERAS = "Keras ResNet"
_MEAN = (123.68, 116.779, 103.939)  # red, green, blue in 0 to 255
_KINDS = {"weights": "kernel", "biases": "bias"}


def _name(place: Place, head: str) -> str:
    """Return `conv3_block1_0_bn/gamma` for our `stage2/block1/shortcut/gamma`."""
    layer = "bn" if place.kind in NORMS else "conv"
    if place.layer == "fc":
        layer = head
    elif place.layer == "stem":
        layer = f"conv1_{layer}"
    else:
        number = 0 if place.layer == "shortcut" else int(place.layer[-1])
        layer = f"conv{place.stage + 1}_block{place.block}_{number}_{layer}"
    return f"{layer}/{_KINDS.get(place.kind, place.kind)}"


def _pairs(model: "ConvNet", head: str) -> list[Pair]:
    return resnet_pairs(model, KERAS, partial(_name, head=head), {})


def _is_keras(shapes: Mapping[str, tuple[int, ...]], head: str) -> bool:
    names = {"conv1_conv/kernel", "conv1_conv/bias", "conv1_bn/gamma", "conv2_block1_1_conv/kernel"}
    other = {"predictions", "probs"} - {head}  # without a last layer, both maps are the same
    return names <= shapes.keys() and not any(f"{name}/kernel" in shapes for name in other)


def _map(head: str) -> WeightsMap:
    return WeightsMap(
        name=KERAS,
        member=member,
        recognises=partial(_is_keras, head=head),
        pairs=partial(_pairs, head=head),
        preprocessing=minus_mean(*_MEAN, is_bgr=True),
        first_layer=FIRST_LAYER,
        head=HEAD,
        options={
            **OPTIONS, "bottleneck_stride": "1x1", "conv_biases": True, "batch_norm_epsilon": 1.001e-5,
        },
    )  # fmt: skip


KERAS_RESNET = _map("predictions")
KERAS_APPLICATIONS_RESNET = _map("probs")  # the name of the last layer in that package
