"""The public face of the models: `from models.nn import ConvNet, AlexNet, ResNet50`."""

from models.alexnet import AlexNet
from models.convnet import ConvNet
from models.efficientnet import EfficientNetLite, EfficientNetLite0, EfficientNetLite1, EfficientNetLite2
from models.resnet import (
    CifarResNet,
    MiniResNet,
    ResNet,
    ResNet18,
    ResNet20,
    ResNet32,
    ResNet34,
    ResNet44,
    ResNet50,
    ResNet56,
    ResNet101,
    ResNet110,
    ResNet152,
)
from models.smallnet import SmallNet

__all__ = [
    "AlexNet",
    "CifarResNet",
    "ConvNet",
    "EfficientNetLite",
    "EfficientNetLite0",
    "EfficientNetLite1",
    "EfficientNetLite2",
    "MiniResNet",
    "ResNet",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet34",
    "ResNet44",
    "ResNet50",
    "ResNet56",
    "ResNet101",
    "ResNet110",
    "ResNet152",
    "SmallNet",
]
