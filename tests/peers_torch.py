"""The networks as a PyTorch user writes them, for the parity tests. Layout and names are torch's: (N, C, H, W)."""

import re

import torch
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; a projection with batch norm where the shape changes."""

    expansion = 1

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class PaddedBlock(nn.Module):
    """Two 3x3 convolutions; option A of the paper: every second pixel, and channels of zeros on both sides."""

    expansion = 1

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.missing = stride, width - channels

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.missing:
            half = self.missing // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.missing - half))
        return F.relu(out + x)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with the stride on the 3x3, as in torchvision's weights."""

    expansion = 4

    def __init__(self, channels, width, stride):
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

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class PostBottleneck(nn.Module):
    """As the ResNet post describes it: stride on the first 1x1, biases, a bare convolution as projection."""

    expansion = 4

    def __init__(self, channels, width, stride):
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

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(x))


class ResNet(nn.Module):
    """Stem, stages of `block`, mean over the pixels, a linear layer. Without `pool` the stem is the CIFAR one."""

    def __init__(self, block, depths, widths, num_classes, pool=True, stem_bias=False):
        super().__init__()
        side, stride = (7, 2) if pool else (3, 1)
        self.conv1 = nn.Conv2d(3, widths[0], side, stride=stride, padding=side // 2, bias=stem_bias)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()
        channels = widths[0]
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
            blocks = []
            for index in range(depth):
                blocks.append(block(channels, width, 2 if number > 1 and index == 0 else 1))
                channels = block.expansion * width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.num_stages = len(depths)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for number in range(1, self.num_stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean(dim=(2, 3)))


class AlexNet(nn.Module):
    """One tower, with local response normalisation: torch divides alpha by the 5 channels, the paper does not."""

    def __init__(self, num_classes, flat):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1)
        self.fc6 = nn.Linear(flat, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        self.pool = nn.MaxPool2d(3, stride=2)

    def forward(self, x):
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = self.pool(F.relu(self.conv5(x)))
        x = F.relu(self.fc7(F.relu(self.fc6(torch.flatten(x, 1)))))
        return self.fc8(x)


KINDS = {
    "weights": "weight",
    "biases": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def torch_name(name):
    """Where the variable `name` (stage1/block2/conv3/gamma) is in the peers: layer1.1.bn3.weight."""
    scope, _, variable = name.rpartition("/")
    is_norm = variable not in ("weights", "biases")
    scope = re.sub(r"^stem$", "conv1", scope)
    scope = re.sub(r"^stage(\d+)/block(\d+)/", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.", scope)
    if scope.endswith("shortcut"):
        scope = scope.removesuffix("shortcut") + f"downsample.{int(is_norm)}"
    elif is_norm:
        scope = re.sub(r"conv(\d)$", r"bn\1", scope)
    return f"{scope}.{KINDS[variable]}"


def to_torch(value, chw=None):
    """(fh, fw, ic, oc) -> (oc, ic, fh, fw) and (D, out) -> (out, D).

    :param chw: (C, H, W) where the D inputs are a flattened image: TensorFlow flattens (H, W, C), torch (C, H, W).
    """
    if value.ndim == 4:
        value = value.transpose(3, 2, 0, 1)
    elif value.ndim == 2 and chw is not None:
        channels, height, width = chw
        value = value.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(value.shape[1], -1)
    elif value.ndim == 2:
        value = value.T
    return torch.tensor(value.copy())
