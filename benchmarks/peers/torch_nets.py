"""The networks as a PyTorch user writes them: peers of the measurements, whose logits the parity tests compare.

Layout and names are torch's: (N, C, H, W). Importing this module imports torch.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TwoConvolutions(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is the subclass's."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def shortcut(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class BasicBlock(TwoConvolutions):
    """A projection with batch norm where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__(channels, width, stride)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def shortcut(self, x: Tensor) -> Tensor:
        return x if self.downsample is None else self.downsample(x)


class PaddedBlock(TwoConvolutions):
    """Option A of the paper: every second pixel, and channels of zeros on both sides."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__(channels, width, stride)
        self.stride, self.missing = stride, width - channels

    def shortcut(self, x: Tensor) -> Tensor:
        if not self.missing:
            return x
        half = self.missing // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.missing - half))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with the stride on the 3x3, as in torchvision's weights."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class PostBottleneck(nn.Module):
    """As the ResNet post describes it: stride on the first 1x1, biases, a bare convolution as projection."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * width
        self.conv1 = nn.Conv2d(channels, width, 1, stride=stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Sequential()
        if channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out_channels, 1, stride=stride))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(x))


Block = type[BasicBlock] | type[PaddedBlock] | type[Bottleneck] | type[PostBottleneck]


class ResNet(nn.Module):
    """Stem, stages of `block`, mean over the pixels, a linear layer. Without `pool` the stem is the CIFAR one."""

    def __init__(
        self,
        block: Block,
        stages: Sequence[int],
        widths: Sequence[int],
        num_classes: int,
        pool: bool = True,
        stem_bias: bool = False,
    ) -> None:
        super().__init__()
        side, stride = (7, 2) if pool else (3, 1)
        self.conv1 = nn.Conv2d(3, widths[0], side, stride=stride, padding=side // 2, bias=stem_bias)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()
        channels = widths[0]
        for number, (depth, width) in enumerate(zip(stages, widths, strict=True), start=1):
            blocks = []
            for index in range(depth):
                blocks.append(block(channels, width, 2 if number > 1 and index == 0 else 1))
                channels = block.expansion * width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.num_stages = len(stages)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for number in range(1, self.num_stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean(dim=(2, 3)))


class AlexNet(nn.Module):
    """One tower. Of the normalisation torch divides alpha by the 5 channels, the paper does not."""

    def __init__(
        self, num_classes: int, flat: int, dropout_prob: float = 0.0, local_response_norm: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1)
        self.fc6 = nn.Linear(flat, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.norm = (
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0) if local_response_norm else nn.Identity()
        )
        self.pool = nn.MaxPool2d(3, stride=2)
        self.dropout = nn.Dropout(dropout_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = torch.flatten(self.pool(F.relu(self.conv5(x))), 1)
        x = self.dropout(F.relu(self.fc6(x)))
        x = self.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)


RESNETS: dict[str, Callable[..., ResNet]] = {
    "resnet18": partial(ResNet, BasicBlock, stages=(2, 2, 2, 2), widths=(64, 128, 256, 512)),
    "resnet20": partial(ResNet, PaddedBlock, stages=(3, 3, 3), widths=(16, 32, 64), pool=False),
    "resnet50": partial(ResNet, Bottleneck, stages=(3, 4, 6, 3), widths=(64, 128, 256, 512)),
}


def build(name: str, side: int, num_classes: int, **options: Any) -> nn.Module:
    """The net of a name in the project's catalogue, for images of `side` pixels.

    :param options: of the net, named as the project's.
    """
    if name != "alexnet":
        return RESNETS[name](num_classes=num_classes, **options)
    side = (side - 11) // 4 + 1  # behind conv1
    for _ in range(3):  # poolings
        side = (side - 3) // 2 + 1
    return AlexNet(num_classes, 256 * side * side, **options)
