"""The networks as a Keras user writes them, for the benchmarks and the parity tests.

A layer has the name of the project's variable scope, such as stage1_block2_conv1; its normalisation is then called
stage1_block2_conv1_norm. Importing this module imports Keras.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import layers, regularizers

from benchmarks.peers import LEARNING_RATE, MEAN, MOMENTUM, WEIGHT_DECAY

EXPANSION = 4  # ratio of the output channels of a bottleneck block to those of its 3x3 convolution


class Style(NamedTuple):
    """Options of all convolutions, of all normalisations, and of the last layer of a network."""

    conv: Mapping[str, Any]
    norm: Mapping[str, Any]
    dense: Mapping[str, Any]

    def conv_norm(self, x: Any, name: str, filters: int, side: int, stride: int) -> Any:
        """Apply a convolution and its normalisation."""
        conv = layers.Conv2D(
            filters, side, stride, "same", kernel_initializer="he_normal", name=name, **self.conv
        )
        return layers.BatchNormalization(name=f"{name}_norm", **self.norm)(conv(x))


DECAY = {"kernel_regularizer": regularizers.l2(0.0001)}
PLAIN = Style({"use_bias": False}, {"momentum": 0.9, "epsilon": 1e-5}, {})
POST = Style(DECAY, {"momentum": 0.99, "epsilon": 1e-3}, DECAY)  # Keras' defaults, as in the post


def basic_block(x: Any, name: str, width: int, stride: int, style: Style, *, pads: bool = False) -> Any:
    """Apply two 3x3 convolutions; the shortcut is a projection, or the paper's option A if `pads`."""
    if stride == 1 and x.shape[-1] == width:
        shortcut = x
    elif pads:
        shortcut = padded(x, width, stride)
    else:
        shortcut = style.conv_norm(x, f"{name}_shortcut", width, 1, stride)
    x = layers.ReLU()(style.conv_norm(x, f"{name}_conv1", width, 3, stride))
    return layers.ReLU()(layers.add([shortcut, style.conv_norm(x, f"{name}_conv2", width, 3, 1)]))


def padded(x: Any, depth: int, stride: int) -> Any:
    """Return every `stride`-th pixel, padded with channels of zeros; on a CPU, pooling is faster than slicing."""
    half = (depth - x.shape[-1]) // 2
    x = layers.AveragePooling2D(1, stride)(x)
    return keras.ops.pad(x, [[0, 0], [0, 0], [0, 0], [half, depth - x.shape[-1] - half]])


def bottleneck(x: Any, name: str, width: int, stride: int, style: Style) -> Any:
    """Apply 1x1, 3x3 and 1x1 convolutions, the 3x3 with the stride; the shortcut is a projection if needed."""
    depth = EXPANSION * width
    shortcut = x
    if stride != 1 or x.shape[-1] != depth:
        shortcut = style.conv_norm(x, f"{name}_shortcut", depth, 1, stride)
    x = layers.ReLU()(style.conv_norm(x, f"{name}_conv1", width, 1, 1))
    x = layers.ReLU()(style.conv_norm(x, f"{name}_conv2", width, 3, stride))
    return layers.ReLU()(layers.add([shortcut, style.conv_norm(x, f"{name}_conv3", depth, 1, 1)]))


def resnet(
    x: Any,
    num_classes: int,
    *,
    block: Any,
    stages: Sequence[int],
    widths: Sequence[int],
    pool: bool = True,
    first_stage_stride: int = 1,
    style: Style = PLAIN,
) -> Any:
    """Return logits (N, num_classes) of images (N, H, W, 3). Without `pool`, the stem is that for CIFAR."""
    side, stride = (7, 2) if pool else (3, 1)
    x = layers.ReLU()(style.conv_norm(x, "stem", widths[0], side, stride))
    if pool:
        x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage, (num_blocks, width) in enumerate(zip(stages, widths, strict=True), start=1):
        for number in range(1, num_blocks + 1):
            starts_stage = 2 if stage > 1 else first_stage_stride
            x = block(x, f"stage{stage}_block{number}", width, starts_stage if number == 1 else 1, style)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(num_classes, name="fc", **style.dense)(x)


class LocalResponseNorm(layers.Layer):
    """Krizhevsky et al. 2012, section 3.3, in float32, because TensorFlow has no bfloat16 kernel for CPUs."""

    def call(self, x: Any) -> Any:
        wide = tf.cast(x, tf.float32)
        out = tf.nn.local_response_normalization(wide, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)
        return tf.cast(out, x.dtype)


def alexnet(x: Any, num_classes: int, *, dropout_prob: float = 0.0, local_response_norm: bool = False) -> Any:
    """Return logits (N, num_classes) of images (N, H, W, 3), with one tower."""
    convolution = partial(layers.Conv2D, padding="same", activation="relu")
    pool = layers.MaxPooling2D(3, 2)
    normalise = LocalResponseNorm() if local_response_norm else layers.Identity()
    x = convolution(96, 11, strides=4, padding="valid", name="conv1")(x)
    x = convolution(256, 5, name="conv2")(pool(normalise(x)))
    x = convolution(384, 3, name="conv3")(pool(normalise(x)))
    x = convolution(384, 3, name="conv4")(x)
    x = layers.Flatten()(pool(convolution(256, 3, name="conv5")(x)))
    for name in ("fc6", "fc7"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
        x = layers.Dropout(dropout_prob)(x)
    return layers.Dense(num_classes, name="fc8")(x)


NETS: dict[str, Callable[..., Any]] = {
    "alexnet": alexnet,
    "resnet18": partial(resnet, block=basic_block, stages=(2, 2, 2, 2), widths=(64, 128, 256, 512)),
    "resnet20": partial(
        resnet, block=partial(basic_block, pads=True), stages=(3, 3, 3), widths=(16, 32, 64), pool=False
    ),
    "resnet50": partial(resnet, block=bottleneck, stages=(3, 4, 6, 3), widths=(64, 128, 256, 512)),
}


def build(name: str, side: int, num_classes: int, **options: Any) -> keras.Model:
    """Return a network of the project's catalogue; it maps images (N, side, side, 3) of bytes to float32 logits.

    :param options: options of the network, with the project's names.
    """
    images = keras.Input((side, side, 3), dtype="uint8")
    logits = NETS[name](layers.Rescaling(1 / 255, offset=-MEAN)(images), num_classes, **options)
    return keras.Model(images, layers.Activation("linear", dtype="float32")(logits))


def compile_training(model: keras.Model, *, nesterov: bool = False) -> None:
    """Compile a network from `build` for training, without XLA."""
    model.compile(
        optimizer=keras.optimizers.SGD(
            LEARNING_RATE, momentum=MOMENTUM, nesterov=nesterov, weight_decay=WEIGHT_DECAY
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )


def cifar_post_resnet20(num_classes: int) -> keras.Model:
    """Return the CIFAR post's network, from (N, 32, 32, 3) to probabilities; its first stage also has stride 2."""
    images = keras.Input((32, 32, 3))
    logits = NETS["resnet20"](images, num_classes, block=basic_block, first_stage_stride=2, style=POST)
    return keras.Model(images, layers.Softmax()(logits))
