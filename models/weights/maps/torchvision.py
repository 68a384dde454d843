"""torchvision's ResNet-18 to 152 and AlexNet; files of PyTorch.

The ResNets have the stride of a bottleneck block in its 3x3 convolution ("v1.5") and pad every edge by the same
number of zeros. The AlexNet is that of Krizhevsky 2014, for 224x224 pixels; the inputs of its first fully connected
layer are sorted by channel, height and width, and ours by height, width and channel.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.weights.maps import alexnets
from models.weights.maps.resnets import FIRST_LAYER, HEAD, NORMS, OPTIONS, Place, member, resnet_pairs
from models.weights.naming import IMAGENET, OD, OIHW, SAME, TORCH_NORM, Layout, Pair, WeightsMap

if TYPE_CHECKING:
    from models.convnet import ConvNet

RESNET, ALEXNET = "torchvision ResNet", "torchvision AlexNet"
_KINDS = {"weights": "weight", "biases": "bias", **TORCH_NORM}


def _resnet_name(place: Place) -> str:
    """Return `layer2.0.downsample.1.running_var` for the moving variance in our `stage2/block1/shortcut`."""
    is_norm = place.kind in NORMS
    if place.layer == "stem":
        layer = "bn1" if is_norm else "conv1"
    elif place.layer == "shortcut":
        layer = f"downsample.{int(is_norm)}"
    else:
        layer = place.layer.replace("conv", "bn") if is_norm else place.layer
    block = f"layer{place.stage}.{place.block - 1}." if place.stage else ""
    return f"{block}{layer}.{_KINDS[place.kind]}"


def _resnet_pairs(model: "ConvNet") -> list[Pair]:
    return resnet_pairs(model, RESNET, _resnet_name, {"conv": OIHW, "fc": OD})


def _is_resnet(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    has_stem = shapes.get("conv1.weight", ())[2:] == (7, 7)
    return has_stem and {"bn1.running_mean", "layer1.0.conv1.weight"} <= shapes.keys()


_ALEXNET_WIDTHS = [64, 192, 384, 256, 256]
_ALEXNET_LAYERS = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}


def _channels_last(weights: np.ndarray) -> np.ndarray:
    """Rearrange weights (out, C * H * W) to (H * W * C, out)."""
    side = round((weights.shape[1] / _ALEXNET_WIDTHS[-1]) ** 0.5)
    pixels = weights.reshape(-1, _ALEXNET_WIDTHS[-1], side, side)
    return pixels.transpose(2, 3, 1, 0).reshape(-1, weights.shape[0])


def _channels_first(weights: np.ndarray) -> np.ndarray:
    """Rearrange weights (H * W * C, out) to (out, C * H * W)."""
    side = round((weights.shape[0] / _ALEXNET_WIDTHS[-1]) ** 0.5)
    pixels = weights.reshape(side, side, _ALEXNET_WIDTHS[-1], -1)
    return pixels.transpose(3, 2, 0, 1).reshape(weights.shape[1], -1)


_FC6 = Layout(_channels_last, _channels_first)


def _alexnet_pair(layer: str, kind: str) -> Pair:
    layout = SAME if kind == "biases" else OIHW if layer.startswith("conv") else OD
    theirs = f"{_ALEXNET_LAYERS[layer]}.{_KINDS[kind]}"
    return Pair(f"{layer}/{kind}", theirs, _FC6 if (layer, kind) == ("fc6", "weights") else layout)


def _alexnet_pairs(model: "ConvNet") -> list[Pair]:
    return alexnets.alexnet_pairs(model, ALEXNET, _alexnet_pair)


def _is_alexnet(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    has_first = shapes.get("features.0.weight", ())[2:] == (11, 11)
    return has_first and {"features.0.bias", "features.10.weight"} <= shapes.keys()


TORCHVISION_RESNET = WeightsMap(
    name=RESNET,
    member=member,
    recognises=_is_resnet,
    pairs=_resnet_pairs,
    preprocessing=IMAGENET,
    first_layer=FIRST_LAYER,
    head=HEAD,
    options=OPTIONS,
    ignored=r".*\.num_batches_tracked",
)
TORCHVISION_ALEXNET = WeightsMap(
    name=ALEXNET,
    recognises=_is_alexnet,
    pairs=_alexnet_pairs,
    preprocessing=IMAGENET,
    first_layer=alexnets.FIRST_LAYER,
    head=alexnets.HEAD,
    options={
        **alexnets.OPTIONS,
        "widths": _ALEXNET_WIDTHS,
        "groups": 1,
        "image_padding": 2,
        "local_response_norm": False,
        "dropout_on": "inputs",
    },
)
