"""The public face of the models: `from models.nn import ConvNet, AlexNet, SmallNet`."""

from models.alexnet import AlexNet
from models.convnet import ConvNet
from models.smallnet import SmallNet

__all__ = ["AlexNet", "ConvNet", "SmallNet"]
