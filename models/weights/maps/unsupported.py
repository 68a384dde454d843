"""Networks that resemble known ones but compute something else, named in the message that refuses them.

timm's resnetaa50, resnetblur18 and resnetblur50 cannot be told from its resnet18 and resnet50, because their
filters against aliasing have no weights.
"""

import re
from collections.abc import Mapping

_BY_NAME = {
    r"conv1\.0\.weight": "a ResNet with three convolutions in the stem, such as timm's resnet50d",
    r"layer1\.0\.(se\..*|conv1\.conv\.weight)": "a ResNet with attention to channels, such as timm's seresnet50",
    r"stem\.conv1\.conv\.weight": "a ResNet with several convolutions in the stem, such as timm's resnet33ts",
    r"stages\.0\.blocks\.0\.norm1\.weight": "a ResNet that normalises first, such as timm's resnetv2_50",
    r"conv2_block1_preact_bn/gamma": "a ResNet that normalises first, such as Keras's ResNet50V2",
    r"resnet_v2_\d+/conv1/weights": "a ResNet that normalises first, such as slim's resnet_v2_50",
}


def unsupported(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return what network it is if it is one that `models` lacks, else "".

    :param shapes: of all tensors, by the source's names.
    """
    for pattern, description in _BY_NAME.items():
        if any(re.fullmatch(pattern, name) for name in shapes):
            return description
    if "layer1.0.conv1.weight" in shapes:
        return _of_torch(shapes)
    if _filters(shapes, "resnet_model/conv2d_1/kernel", -1) != _filters(
        shapes, "resnet_model/batch_normalization_1/gamma", 0
    ):
        return "a ResNet that normalises first, as the official TensorFlow models' version 2"
    return ""


def _of_torch(shapes: Mapping[str, tuple[int, ...]]) -> str:
    if "bn1.weight" in shapes and "bn1.running_mean" not in shapes:
        return "a ResNet that normalises groups of channels, such as timm's resnet50_gn"
    if _filters(shapes, "conv1.weight", 0) != _filters(shapes, "layer1.0.conv1.weight", 0):
        return "a ResNeXt or wide ResNet, such as torchvision's resnext50_32x4d"
    return ""


def _filters(shapes: Mapping[str, tuple[int, ...]], name: str, axis: int) -> int:
    shape = shapes.get(name, ())
    return shape[axis] if shape else 0
