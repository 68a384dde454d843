"""EfficientNet-Lite: Tan & Le 2019 (arXiv 1905.11946), in the Lite variants for mobile devices.

The Lite variants (TensorFlow blog, 16 March 2020) leave out squeeze-and-excitation, use ReLU6 in place of swish,
and do not scale the stem, the head, or the number of blocks in the first and last stage.
"""

import math
from functools import partialmethod
from typing import NamedTuple

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.convnet import ConvNet
from models.layers import (
    batch_norm,
    conv_layer,
    depthwise_conv_layer,
    dropout,
    fc_layer,
    global_average_pool,
)
from models.options import check

STEM_WIDTH, HEAD_WIDTH = 32, 1280


class Stage(NamedTuple):
    """Blocks of the same width (paper, table 1)."""

    num_blocks: int
    side: int  # of the depthwise filters (pixels)
    stride: int  # of the first block
    expansion: int
    width: int  # channels


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class EfficientNetLite(ConvNet):
    """A stem, seven stages of inverted residual blocks (Sandler et al. 2018), and a head of 1,280 channels.

    Deviation: blocks are not dropped at random in training (stochastic depth).
    """

    def _build_model(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        dropout_prob: float = 0.2,
        batch_norm_momentum: float = 0.99,
        batch_norm_epsilon: float = 1e-3,
    ) -> dict[str, tf.Tensor]:
        """Build the layers; `d['features']` is (N, 1280), the input of the fully connected layer.

        :param width: factor of the channels of every stage.
        :param depth: factor of the number of blocks of the stages 2 to 6.
        :param dropout_prob: probability that a feature is dropped in training.
        :param batch_norm_momentum: share of the old moving statistics that is kept.
        :param batch_norm_epsilon: added to the variance.
        """
        check(0 < width < math.inf, "width", width, "a positive number")
        check(0 < depth < math.inf, "depth", depth, "a positive number")
        momentum, epsilon = batch_norm_momentum, batch_norm_epsilon
        check(0 <= momentum < 1, "batch_norm_momentum", momentum, "at least 0 and below 1")
        check(0 < epsilon < 1, "batch_norm_epsilon", epsilon, "above 0 and below 1")
        self._batch_norm = {"momentum": momentum, "epsilon": epsilon}
        d = {}
        with v1.variable_scope("stem"):
            d["stem"] = x = self._conv_norm(self.inputs, 3, 2, STEM_WIDTH)
        for number, stage in enumerate(STAGES, start=1):
            is_scaled = 1 < number < len(STAGES)
            num_blocks = math.ceil(stage.num_blocks * depth) if is_scaled else stage.num_blocks
            for block in range(1, num_blocks + 1):
                with v1.variable_scope(f"stage{number}"), v1.variable_scope(f"block{block}"):
                    x = self._block(x, stage, stage.stride if block == 1 else 1, scaled(stage.width, width))
                d[f"stage{number}/block{block}"] = x
        with v1.variable_scope("head"):
            d["head"] = self._conv_norm(x, 1, 1, HEAD_WIDTH)
        d["features"] = global_average_pool(tf.cast(d["head"], tf.float32))  # (N, 1280)
        with v1.variable_scope("fc"):
            x = dropout(d["features"], dropout_prob, self.is_train)
            d["logits"] = fc_layer(x, self.num_classes, biases_value=0.0)
        return d

    def _block(self, x: tf.Tensor, stage: Stage, stride: int, out_depth: int) -> tf.Tensor:
        """Widen by a 1x1 convolution, filter each channel, and project: (N, H, W, C) -> (N, H', W', out_depth)."""
        shortcut, depth = x, int(x.shape[-1])
        if stage.expansion > 1:
            with v1.variable_scope("expand"):
                x = self._conv_norm(x, 1, 1, depth * stage.expansion)
        with v1.variable_scope("depthwise"):
            x = tf.nn.relu6(self._norm(depthwise_conv_layer(x, stage.side, stride)))
        with v1.variable_scope("project"):
            x = self._norm(self._conv(x, 1, 1, out_depth))
        return x + shortcut if stride == 1 and depth == out_depth else x

    def _conv_norm(self, x: tf.Tensor, side_l: int, stride: int, depth: int) -> tf.Tensor:
        return tf.nn.relu6(self._norm(self._conv(x, side_l, stride, depth)))

    def _conv(self, x: tf.Tensor, side_l: int, stride: int, depth: int) -> tf.Tensor:
        return conv_layer(x, side_l, stride, depth, weights_stddev=None, biases_value=None)

    def _norm(self, x: tf.Tensor) -> tf.Tensor:
        return batch_norm(x, self.is_train, **self._batch_norm)


def scaled(width: int, factor: float) -> int:
    """Return `width * factor`, rounded to a multiple of 8, but not below nine tenths of it."""
    wanted = width * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


class EfficientNetLite0(EfficientNetLite):
    """4,652,008 parameters with 1,000 classes; trained on 224x224 pixels."""


class EfficientNetLite1(EfficientNetLite):
    """5,416,680 parameters with 1,000 classes; trained on 240x240 pixels."""

    _build_model = partialmethod(EfficientNetLite._build_model, depth=1.1)


class EfficientNetLite2(EfficientNetLite):
    """6,092,072 parameters with 1,000 classes; trained on 260x260 pixels."""

    _build_model = partialmethod(EfficientNetLite._build_model, width=1.1, depth=1.2, dropout_prob=0.3)
