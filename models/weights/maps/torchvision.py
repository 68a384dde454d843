"""torchvision's ResNet-18 to 152, whose names timm shares.

torchvision's ResNets have the stride of a bottleneck block in its 3x3 convolution ("v1.5") and pad every edge by
the same number of zeros.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.weights.maps.resnets import FIRST_LAYER, HEAD, NORMS, OPTIONS, Place, resnet_pairs
from models.weights.naming import IMAGENET, OD, OIHW, Pair, WeightsMap

if TYPE_CHECKING:
    from models.convnet import ConvNet

RESNET = "torchvision ResNet"
_NORM_KINDS = dict(zip(NORMS, ("weight", "bias", "running_mean", "running_var"), strict=True))
_KINDS = {"weights": "weight", "biases": "bias", **_NORM_KINDS}


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
    return has_stem and {"bn1.running_mean", "layer1.0.conv1.weight", "fc.weight"} <= shapes.keys()


TORCHVISION_RESNET = WeightsMap(
    name=RESNET,
    recognises=_is_resnet,
    pairs=_resnet_pairs,
    preprocessing=IMAGENET,
    first_layer=FIRST_LAYER,
    head=HEAD,
    options=OPTIONS,
    ignored=r".*\.num_batches_tracked",
)
