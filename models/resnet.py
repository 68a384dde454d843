"""ResNet: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", and its plain twins.

One class builds them all; the nets of the paper below are that class with other defaults, and every option of
`ResNet._build_model` can still be given: `ResNet50(shape, classes, is_plain=True)` is the plain net of 50 layers.
"""

from collections.abc import Callable, Sequence
from functools import partialmethod
from typing import Literal, NamedTuple

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.convnet import ConvNet
from models.layers import batch_norm, conv_layer, fc_layer, global_average_pool, max_pool, subsample
from models.options import check, check_among, check_sizes, is_size


class Stem(NamedTuple):
    """The layers before the first stage: a convolution and, unless `pool_stride` is None, a 3x3 max pooling."""

    side: int  # of the filter, pixels
    stride: int  # of the convolution, pixels
    pool_stride: int | None  # pixels
    pool_padding: str | None  # None: that of the other layers


STEMS = {
    "imagenet": Stem(side=7, stride=2, pool_stride=2, pool_padding=None),  # paper, table 1
    "cifar": Stem(side=3, stride=1, pool_stride=None, pool_padding=None),  # paper, section 4.2
    "mini": Stem(side=7, stride=1, pool_stride=3, pool_padding="VALID"),  # Mini-ResNet
}
BLOCKS = ("basic", "bottleneck")
SHORTCUTS = ("A", "B", "B-no-norm")
BOTTLENECK_STRIDES = ("1x1", "3x3")
STRIDE_BLOCKS = ("first", "last")
PADDINGS = ("SAME", "SYMMETRIC")
EXPANSION = 4  # a bottleneck block gives four times as many channels as its 3x3 convolution has


class ResNet(ConvNet):
    """A stem, stages of residual blocks, global average pooling and one fully connected layer.

    The defaults are ResNet-18 with TensorFlow's padding. Weights start at He's values (He et al. 2015b), those of
    the last layer at a standard deviation of 0.01.
    """

    def _build_model(
        self,
        stages: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = (64, 128, 256, 512),
        block: Literal["basic", "bottleneck"] = "basic",
        stem: Literal["imagenet", "cifar", "mini"] = "imagenet",
        shortcut: Literal["A", "B", "B-no-norm"] = "B",
        is_plain: bool = False,
        first_stage_stride: int = 1,
        bottleneck_stride: Literal["1x1", "3x3"] = "3x3",
        stride_block: Literal["first", "last"] = "first",
        conv_biases: bool = False,
        padding: Literal["SAME", "SYMMETRIC"] = "SAME",
        pool_padding: Literal["SAME", "SYMMETRIC"] | None = None,
        batch_norm_momentum: float = 0.9,
        batch_norm_epsilon: float = 1e-5,
        zero_init_last_gamma: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Build the network.

        :param stages: number of blocks in each stage; there is a stride of 2 between two stages.
        :param widths: channels of the 3x3 convolutions of each stage.
        :param block: 'basic': two 3x3 convolutions; 'bottleneck': 1x1, 3x3, 1x1, four times as many channels out.
        :param stem: 'imagenet': 7x7 stride 2 and 3x3 max pooling stride 2; 'cifar': 3x3; 'mini': 7x7 stride 1 and
            3x3 max pooling stride 3.
        :param shortcut: where the shapes differ, 'A' subsamples and pads the channels with zeros, half in front and
            half behind; 'B' projects by a 1x1 convolution and normalises; 'B-no-norm' only projects.
        :param is_plain: leave the shortcuts out (paper, section 3.3).
        :param first_stage_stride: 1 in the paper; 2 halves height and width in the first stage too.
        :param bottleneck_stride: which convolution of a bottleneck block has the stride: '1x1' in the paper, '3x3'
            in torchvision's widely used weights ("v1.5").
        :param stride_block: which block has the stride between two stages: the 'first' of the later one, as in the
            paper, or the 'last' of the earlier one, as in slim's resnet_v1, whose shortcut only subsamples there.
        :param conv_biases: give the convolutions biases, which the normalisation after them makes useless.
        :param padding: 'SAME' as TensorFlow pads, 'SYMMETRIC' as PyTorch does; they differ where the stride is 2.
        :param pool_padding: of the stem's max pooling, if not that of the convolutions: slim's resnet_v1 and the
            official r1 networks have 'SAME' with SYMMETRIC convolutions.
        :param batch_norm_momentum: share of the old moving statistics that is kept; PyTorch's 0.1 is 0.9 here.
        :param batch_norm_epsilon: 1e-5 in PyTorch, 1e-3 in Keras.
        :param zero_init_last_gamma: let every residual branch start at zero (Goyal et al. 2017, section 5.1);
            has no effect on a plain net, which has no branches.
        """
        check_among("block", block, BLOCKS)
        check_among("stem", stem, tuple(STEMS))
        check_among("shortcut", shortcut, SHORTCUTS)
        check_among("bottleneck_stride", bottleneck_stride, BOTTLENECK_STRIDES)
        check_among("stride_block", stride_block, STRIDE_BLOCKS)
        check_among("padding", padding, PADDINGS)
        if pool_padding is not None:
            check_among("pool_padding", pool_padding, PADDINGS)
        _check_sizes(stages, widths, first_stage_stride)
        _check_batch_norm(batch_norm_momentum, batch_norm_epsilon)
        self._shortcut, self._is_plain, self._bottleneck_stride = shortcut, is_plain, bottleneck_stride
        self._stride_block, self._conv_biases = stride_block, conv_biases
        self._padding, self._pool_padding = padding, pool_padding
        self._batch_norm = {"momentum": batch_norm_momentum, "epsilon": batch_norm_epsilon}
        self._last_gamma = 0.0 if zero_init_last_gamma and not is_plain else 1.0
        build_block = self._basic_block if block == "basic" else self._bottleneck_block
        d = self._build_stem(STEMS[stem], widths[0])
        strides = _strides(stages, first_stage_stride, stride_block)
        d |= self._build_stages(list(d.values())[-1], build_block, widths, strides)
        d["features"] = global_average_pool(tf.cast(list(d.values())[-1], tf.float32))  # (N, C)
        with v1.variable_scope("fc"):
            d["logits"] = fc_layer(d["features"], self.num_classes, biases_value=0.0)
        return d

    def _build_stem(self, stem: Stem, width: int) -> dict[str, tf.Tensor]:
        d = {"stem": tf.nn.relu(self._conv_norm("stem", self.inputs, stem.side, stem.stride, width))}
        if stem.pool_stride is not None:
            padding = self._pool_padding or stem.pool_padding or self._padding
            d["pool"] = max_pool(d["stem"], 3, stem.pool_stride, padding=padding)
        return d

    def _build_stages(
        self,
        x: tf.Tensor,
        build_block: Callable[[tf.Tensor, int, int], tf.Tensor],
        widths: Sequence[int],
        strides: Sequence[Sequence[int]],
    ) -> dict[str, tf.Tensor]:
        """Build the blocks of all stages; return the output of each."""
        d = {}
        for stage, width in enumerate(widths, start=1):
            for number, stride in enumerate(strides[stage - 1], start=1):
                with v1.variable_scope(f"stage{stage}"), v1.variable_scope(f"block{number}"):
                    x = self._residual(build_block, x, width, stride)
                d[f"stage{stage}/block{number}"] = x
        return d

    def _residual(
        self, build_block: Callable[[tf.Tensor, int, int], tf.Tensor], x: tf.Tensor, width: int, stride: int
    ) -> tf.Tensor:
        """Return relu(F(x) + x), paper eq. 1, or relu(F(x)) in a plain net: (N, H, W, C) -> (N, H', W', C')."""
        out = build_block(x, width, stride)
        if not self._is_plain:
            out += self._build_shortcut(x, int(out.shape[-1]), stride)
        return tf.nn.relu(out)

    def _basic_block(self, x: tf.Tensor, width: int, stride: int) -> tf.Tensor:
        """Build two 3x3 convolutions (paper, figure 5, left)."""
        x = tf.nn.relu(self._conv_norm("conv1", x, 3, stride, width))
        return self._conv_norm("conv2", x, 3, 1, width, gamma_value=self._last_gamma)

    def _bottleneck_block(self, x: tf.Tensor, width: int, stride: int) -> tf.Tensor:
        """Build 1x1, 3x3 and 1x1 convolutions (paper, figure 5, right)."""
        first, second = (stride, 1) if self._bottleneck_stride == "1x1" else (1, stride)
        x = tf.nn.relu(self._conv_norm("conv1", x, 1, first, width))
        x = tf.nn.relu(self._conv_norm("conv2", x, 3, second, width))
        return self._conv_norm("conv3", x, 1, 1, EXPANSION * width, gamma_value=self._last_gamma)

    def _build_shortcut(self, x: tf.Tensor, depth: int, stride: int) -> tf.Tensor:
        """Return `x`, with `depth` channels and the block's size (paper, section 3.3, options A and B)."""
        channels = int(x.shape[-1])
        if channels == depth and (stride == 1 or self._stride_block == "last"):
            return subsample(x, stride)
        if self._shortcut == "A":
            missing = depth - channels
            if missing < 0:
                raise ValueError(
                    f"shortcut is 'A', which cannot take channels away ({channels} to {depth}); take 'B'"
                )
            return tf.pad(subsample(x, stride), [[0, 0]] * 3 + [[missing // 2, missing - missing // 2]])
        if self._shortcut == "B":
            return self._conv_norm("shortcut", x, 1, stride, depth)
        with v1.variable_scope("shortcut"):
            return self._conv(x, 1, stride, depth)

    def _conv_norm(
        self, name: str, x: tf.Tensor, side_l: int, stride: int, depth: int, gamma_value: float = 1.0
    ) -> tf.Tensor:
        """Build a convolution and its batch normalisation in the variable scope `name`."""
        with v1.variable_scope(name):
            x = self._conv(x, side_l, stride, depth)
            return batch_norm(x, self.is_train, gamma_value=gamma_value, **self._batch_norm)

    def _conv(self, x: tf.Tensor, side_l: int, stride: int, depth: int) -> tf.Tensor:
        biases_value = 0.0 if self._conv_biases else None
        return conv_layer(
            x, side_l, stride, depth, self._padding, weights_stddev=None, biases_value=biases_value
        )


def _check_sizes(stages: Sequence[int], widths: Sequence[int], first_stage_stride: int) -> None:
    check_sizes("stages", stages)
    check_sizes("widths", widths)
    check(is_size(first_stage_stride), "first_stage_stride", first_stage_stride, "a positive integer")
    if len(stages) != len(widths):
        raise ValueError(f"stages is {stages} and widths is {widths}; give both the same length")


def _check_batch_norm(momentum: float, epsilon: float) -> None:
    check(0 <= momentum < 1, "batch_norm_momentum", momentum, "at least 0 and below 1")
    check(0 < epsilon < 1, "batch_norm_epsilon", epsilon, "above 0 and below 1")


def _strides(stages: Sequence[int], first: int, stride_block: str) -> list[list[int]]:
    """Return the stride of each block of each stage; the very first block has the stride `first`."""
    strides = [[1] * num_blocks for num_blocks in stages]
    strides[0][0] = first
    for stage in range(1, len(stages)):
        if stride_block == "first":
            strides[stage][0] = 2
        else:
            strides[stage - 1][-1] *= 2
    return strides


class ResNet18(ResNet):
    """11,689,512 parameters with 1,000 classes."""

    _build_model = partialmethod(ResNet._build_model, stages=(2, 2, 2, 2))


class ResNet34(ResNet):
    """21,797,672 parameters with 1,000 classes."""

    _build_model = partialmethod(ResNet._build_model, stages=(3, 4, 6, 3))


class ResNet50(ResNet):
    """25,557,032 parameters with 1,000 classes."""

    _build_model = partialmethod(ResNet._build_model, stages=(3, 4, 6, 3), block="bottleneck")


class ResNet101(ResNet):
    """44,549,160 parameters with 1,000 classes."""

    _build_model = partialmethod(ResNet._build_model, stages=(3, 4, 23, 3), block="bottleneck")


class ResNet152(ResNet):
    """60,192,808 parameters with 1,000 classes."""

    _build_model = partialmethod(ResNet._build_model, stages=(3, 8, 36, 3), block="bottleneck")


class CifarResNet(ResNet):
    """The nets for 32x32 images (paper, section 4.2): 6n + 2 layers are three stages of n basic blocks."""

    _build_model = partialmethod(
        ResNet._build_model, stages=(3, 3, 3), widths=(16, 32, 64), stem="cifar", shortcut="A"
    )


class ResNet20(CifarResNet):
    """n = 3: 269,722 parameters with 10 classes."""


class ResNet32(CifarResNet):
    """n = 5: 464,154 parameters with 10 classes."""

    _build_model = partialmethod(CifarResNet._build_model, stages=(5, 5, 5))


class ResNet44(CifarResNet):
    """n = 7: 658,586 parameters with 10 classes."""

    _build_model = partialmethod(CifarResNet._build_model, stages=(7, 7, 7))


class ResNet56(CifarResNet):
    """n = 9: 853,018 parameters with 10 classes."""

    _build_model = partialmethod(CifarResNet._build_model, stages=(9, 9, 9))


class ResNet110(CifarResNet):
    """n = 18: 1,727,962 parameters with 10 classes."""

    _build_model = partialmethod(CifarResNet._build_model, stages=(18, 18, 18))


class MiniResNet(ResNet):
    """Two identity blocks behind a 7x7 convolution, for MNIST: the ResNet post's first net.

    Strides, padding, biases and normalisation (epsilon 0.001, momentum 0.99) are Keras's defaults, as in the post.
    """

    _build_model = partialmethod(
        ResNet._build_model, stages=(2,), widths=(64,), stem="mini",
        conv_biases=True, batch_norm_momentum=0.99, batch_norm_epsilon=1e-3,
    )  # fmt: skip
