"""The networks and the training step as a PyTorch user writes them, for the benchmarks and the parity tests.

Layout and names are PyTorch's: (N, C, H, W). Importing this module imports PyTorch.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import LEARNING_RATE, MEAN, MOMENTUM, WEIGHT_DECAY


class Block(nn.Module):
    """Convolutions conv1, conv2, ... with norms bn1, bn2, ... and a shortcut, `downsample`.

    :param layers: filter side, channels and stride of each convolution.
    """

    def __init__(
        self, channels: int, layers: Sequence[tuple[int, int, int]], shortcut: nn.Module, bias: bool = False
    ) -> None:
        super().__init__()
        self.num_layers = len(layers)
        for number, (side, width, stride) in enumerate(layers, start=1):
            conv = nn.Conv2d(channels, width, side, stride=stride, padding=side // 2, bias=bias)
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", nn.BatchNorm2d(width))
            channels = width
        self.downsample, self.channels = shortcut, channels

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for number in range(1, self.num_layers + 1):
            out = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(out))
            out = F.relu(out) if number < self.num_layers else out
        return F.relu(out + self.downsample(x))


class PaddedShortcut(nn.Module):
    """Option A of the paper: every second pixel, between channels of zeros."""

    def __init__(self, missing: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = missing // 2, missing - missing // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def projection(channels: int, width: int, stride: int) -> nn.Module:
    """Return a 1x1 convolution with batch norm if the shape changes, or else the identity."""
    if stride == 1 and channels == width:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))


def basic_block(channels: int, width: int, stride: int) -> Block:
    """Return a block of two 3x3 convolutions with a projection."""
    return Block(channels, ((3, width, stride), (3, width, 1)), projection(channels, width, stride))


def padded_block(channels: int, width: int, stride: int) -> Block:
    """Return a block of two 3x3 convolutions with option A."""
    shortcut = nn.Identity() if channels == width else PaddedShortcut(width - channels, stride)
    return Block(channels, ((3, width, stride), (3, width, 1)), shortcut)


def bottleneck(channels: int, width: int, stride: int) -> Block:
    """Return a block of 1x1, 3x3 and 1x1 convolutions, the 3x3 with the stride, as in torchvision's weights."""
    layers = ((1, width, 1), (3, width, stride), (1, 4 * width, 1))
    return Block(channels, layers, projection(channels, 4 * width, stride))


def post_bottleneck(channels: int, width: int, stride: int) -> Block:
    """Return the ResNet post's block: stride in the first 1x1, biases, a projection without batch norm."""
    shortcut: nn.Module = nn.Identity()
    if channels != 4 * width:
        shortcut = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride=stride))
    layers = ((1, width, stride), (3, width, 1), (1, 4 * width, 1))
    return Block(channels, layers, shortcut, bias=True)


class ResNet(nn.Module):
    """A stem, stages of blocks, global average pooling and a linear layer; without `pool`, the stem for CIFAR."""

    def __init__(
        self,
        block: Callable[[int, int, int], Block],
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
                channels = blocks[-1].channels
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.num_stages = len(stages)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for number in range(1, self.num_stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean(dim=(2, 3)))


class AlexNet(nn.Module):
    """AlexNet with one tower. PyTorch divides the normalisation's alpha by its 5 channels; the paper does not."""

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
        """Return logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = torch.flatten(self.pool(F.relu(self.conv5(x))), 1)
        x = self.dropout(F.relu(self.fc6(x)))
        x = self.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)


RESNETS: dict[str, Callable[..., ResNet]] = {
    "resnet18": partial(ResNet, basic_block, stages=(2, 2, 2, 2), widths=(64, 128, 256, 512)),
    "resnet20": partial(ResNet, padded_block, stages=(3, 3, 3), widths=(16, 32, 64), pool=False),
    "resnet50": partial(ResNet, bottleneck, stages=(3, 4, 6, 3), widths=(64, 128, 256, 512)),
}


def build(name: str, side: int, num_classes: int, **options: Any) -> nn.Module:
    """Return a network of the project's catalogue, for images of `side` pixels.

    :param options: options of the network, with the project's names.
    """
    if name != "alexnet":
        return RESNETS[name](num_classes=num_classes, **options)
    side = (side - 11) // 4 + 1  # after conv1
    for _ in range(3):  # poolings
        side = (side - 3) // 2 + 1
    return AlexNet(num_classes, 256 * side * side, **options)


def training_update(
    net: Any, precision: str, *, nesterov: bool = False, is_compiled: bool = False
) -> Callable[[Tensor, Tensor], None]:
    """Return the update in PyTorch's documentation: channels_last, autocast for bfloat16, fused momentum.

    It runs on the GPU if there is one. It takes images (N, H, W, 3) of bytes and class numbers (N,) in the host's
    memory.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        nesterov=nesterov,
        fused=True,
    )

    def loss_of(images: Tensor, classes: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).float() / 255 - MEAN  # (N, 3, H, W), channels_last in memory
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(x)
        return F.cross_entropy(logits.float(), classes)

    compute = torch.compile(loss_of) if is_compiled else loss_of

    def update(images: Tensor, classes: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = compute(images.to(device), classes.to(device))
        loss.backward()
        optimizer.step()
        loss.item()

    return update
