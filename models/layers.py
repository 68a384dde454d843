"""Functions that create named variables and the operations on them.

Every function creates its variables in the current `tf.compat.v1.variable_scope`, under the names of the
AlexNet post (`weights`, `biases`), as float32 resource variables. The input `x` sets the dtype of the
computation: float32, or bfloat16 with the variables cast where they are used. Randomness is reproducible: an
initial value is a function of (graph seed, variable name), a dropout mask of (graph seed, scope name, global step).
"""

import math
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.batch_norms import COLLECTION as BATCH_NORMS
from models.graph.batch_norms import BatchNorm
from models.graph.batch_share import BatchShare, batch_share
from models.graph.building import global_step
from models.graph.filter_gradients import GRADIENT, products_pay
from models.graph.phases import by_phase

FUSED_EPSILON = 1.001e-5  # the smallest that TensorFlow's batch norm computes with


def _named_seed(name: str) -> int:
    """Return a 31-bit number from the current scope and `name`: the same for the same place in any graph."""
    return zlib.crc32(f"{v1.get_variable_scope().name}/{name}".encode()) & 0x7FFFFFFF


def _graph_seed() -> int:
    """Return the seed set by `tf.compat.v1.set_random_seed` on the current graph; 0 if none was set."""
    return int(v1.get_default_graph().seed or 0)


def _variable(name: str, shape: Sequence[int], value: float, trainable: bool = True) -> tf.Variable:
    """Create a float32 variable that starts at a constant."""
    initial = v1.constant_initializer(value)
    return v1.get_variable(name, list(shape), tf.float32, initial, trainable=trainable, use_resource=True)


def he_stddev(shape: Sequence[int]) -> float:
    """Return sqrt(2 / fan-in) for weights of `shape` (..., inputs, outputs): He et al. 2015b, eq. 10."""
    return (2.0 / math.prod(shape[:-1])) ** 0.5


def weight_variable(shape: Sequence[int], stddev: float | None = 0.01) -> tf.Variable:
    """Create the variable `weights`, drawn from Normal(0, stddev^2).

    :param shape: (fh, fw, ic, oc) of a convolution or (D, out) of a fully connected layer.
    :param stddev: standard deviation; None takes He's for ReLU networks (`he_stddev`).
    """
    if stddev is None:
        stddev = he_stddev(shape)
    seed = [_graph_seed(), _named_seed("weights")]

    def draw(shape: Any, dtype: tf.DType = tf.float32, partition_info: Any = None) -> tf.Tensor:
        return tf.random.stateless_normal(shape, seed, 0.0, stddev, dtype)

    return v1.get_variable("weights", list(shape), tf.float32, draw, use_resource=True)


def bias_variable(shape: Sequence[int], value: float = 1.0) -> tf.Variable:
    """Create the variable `biases` of `shape` (oc,), all equal to `value`."""
    return _variable("biases", shape, value)


def conv2d(x: tf.Tensor, W: tf.Variable, stride: int, padding: str = "SAME", groups: int = 1) -> tf.Tensor:
    """Convolve `x` (N, H, W, C) with filters `W` (fh, fw, C / groups, oc).

    :param stride: step of the filter in both directions (pixels).
    :param padding: 'SAME', 'VALID', or 'SYMMETRIC': (side - 1) // 2 zeros on each edge, as in PyTorch's nets.
        With stride 2, SAME differs from SYMMETRIC: it has one zero more at the bottom and on the right.
    :param groups: the channels and the filters are divided into this many groups, and the filters of a group see
        its channels alone (Krizhevsky et al. 2012, section 3.2).
    """
    x, padding = _padded(x, int(W.shape[0]), stride, padding, 0.0)
    filters = tf.cast(W, x.dtype)
    if groups == 1:
        return _convolved(x, filters, stride, padding)
    # TensorFlow's own convolution of groups is as fast, but has no gradients without oneDNN.
    parts = zip(tf.split(x, groups, axis=3), tf.split(filters, groups, axis=3), strict=True)
    return tf.concat([_convolved(part, of_part, stride, padding) for part, of_part in parts], axis=3)


def _convolved(x: tf.Tensor, filters: tf.Tensor, stride: int, padding: str) -> tf.Tensor:
    """Convolve with the faster gradient."""
    overrides = {"Conv2D": GRADIENT} if products_pay(x, filters, stride, padding) else {}
    with v1.get_default_graph().gradient_override_map(overrides):
        return tf.nn.conv2d(x, filters, strides=[1, stride, stride, 1], padding=padding)


def max_pool(x: tf.Tensor, side_l: int, stride: int, padding: str = "SAME") -> tf.Tensor:
    """Return the maximum of every `side_l` x `side_l` window of `x` (N, H, W, C); padding as in `conv2d`."""
    x, padding = _padded(x, side_l, stride, padding, x.dtype.min)
    return tf.nn.max_pool2d(x, ksize=[1, side_l, side_l, 1], strides=[1, stride, stride, 1], padding=padding)


def _padded(x: tf.Tensor, side_l: int, stride: int, padding: str, value: float) -> tuple[tf.Tensor, str]:
    """Pad `x` if `padding` is SYMMETRIC; return it with the padding that remains for TensorFlow to do."""
    if padding != "SYMMETRIC":
        return x, padding
    edge = (side_l - 1) // 2
    if edge == 0:
        return x, "VALID"
    if stride == 1 and side_l % 2 == 1:
        return x, "SAME"  # the same zeros, without a copy
    edges = [[0, 0], [edge, edge], [edge, edge], [0, 0]]
    return tf.pad(x, edges, constant_values=tf.cast(value, x.dtype)), "VALID"


def subsample(x: tf.Tensor, stride: int) -> tf.Tensor:
    """Return every `stride`-th row and column of `x` (N, H, W, C), from the first.

    A mean over windows of one pixel has the values and the gradient of a strided slice, which TensorFlow computes
    much more slowly on a CPU, above all in bfloat16.
    """
    return x if stride == 1 else tf.nn.avg_pool2d(x, 1, stride, "VALID", name="subsample")


def global_average_pool(x: tf.Tensor) -> tf.Tensor:
    """Return the mean over height and width: (N, H, W, C) -> (N, C)."""
    return tf.reduce_mean(x, axis=[1, 2])


def conv_layer(
    x: tf.Tensor,
    side_l: int,
    stride: int,
    out_depth: int,
    padding: str = "SAME",
    *,
    groups: int = 1,
    weights_stddev: float | None = 0.01,
    biases_value: float | None = 0.1,
) -> tf.Tensor:
    """Build a convolution with its own variables `weights` and, unless `biases_value` is None, `biases`.

    :param x: (N, H, W, C).
    :param side_l: side of the square filter (pixels).
    :param stride: step of the filter (pixels).
    :param out_depth: number of filters.
    :param groups: as in `conv2d`.
    :param weights_stddev: standard deviation of the initial weights; None for He's.
    :param biases_value: initial value of the biases; None for a convolution without biases.
    :return: (N, H', W', out_depth), before the activation.
    :raises ValueError: the channels or the filters cannot be divided into so many groups.
    """
    channels = int(x.shape[-1])
    if channels % groups or out_depth % groups:
        raise ValueError(
            f"{channels} channels and {out_depth} filters cannot be divided into {groups} groups"
        )
    filters = weight_variable([side_l, side_l, channels // groups, out_depth], stddev=weights_stddev)
    out = conv2d(x, filters, stride, padding=padding, groups=groups)
    if biases_value is None:
        return out
    return tf.nn.bias_add(out, tf.cast(bias_variable([out_depth], value=biases_value), x.dtype))


def depthwise_conv_layer(
    x: tf.Tensor, side_l: int, stride: int, padding: str = "SAME", *, weights_stddev: float | None = None
) -> tf.Tensor:
    """Build a convolution of each channel by its own filter, with the variable `weights` and without biases.

    :param x: (N, H, W, C).
    :param side_l: side of the square filters (pixels).
    :param stride: step of the filters (pixels). padding: as in `conv2d`.
    :param weights_stddev: standard deviation of the initial weights; None for He's, by a fan-in of one channel.
    :return: (N, H', W', C), before the activation.
    """
    if weights_stddev is None:
        weights_stddev = he_stddev([side_l, side_l, 1])
    filters = weight_variable([side_l, side_l, int(x.shape[-1]), 1], stddev=weights_stddev)
    x, padding = _padded(x, side_l, stride, padding, 0.0)
    strides = [1, stride, stride, 1]
    return tf.nn.depthwise_conv2d(x, tf.cast(filters, x.dtype), strides=strides, padding=padding)


def fc_layer(
    x: tf.Tensor, out_dim: int, *, weights_stddev: float | None = 0.01, biases_value: float = 0.1
) -> tf.Tensor:
    """Build a fully connected layer with its own `weights` and `biases`: (N, D) -> (N, out_dim).

    :param weights_stddev: standard deviation of the initial weights; None for He's.
    :param biases_value: initial value of the biases.
    """
    weights = weight_variable([int(x.shape[-1]), out_dim], stddev=weights_stddev)
    biases = bias_variable([out_dim], value=biases_value)
    return tf.nn.bias_add(tf.matmul(x, tf.cast(weights, x.dtype)), tf.cast(biases, x.dtype))


def batch_norm(
    x: tf.Tensor,
    is_train: tf.Tensor,
    *,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    gamma_value: float = 1.0,
) -> tf.Tensor:
    """Normalise `x` (N, H, W, C) over (N, H, W): Ioffe & Szegedy 2015.

    In training the batch's own statistics are used, otherwise the moving ones. Creates `gamma`, `beta` and the
    statistics `moving_mean` and `moving_variance`, which are saved but not trained. Their update,
    moving = momentum * moving + (1 - momentum) * batch, is added to the graph's UPDATE_OPS, which the Optimizer
    runs with every step. A network that has a share of each batch uses the statistics of its own rows or, if the
    share has a `sum`, those of the whole batch. Where gamma is frozen (`ConvNet`'s option `freeze`), the moving
    statistics are used in training too, and stay as they are.

    :param is_train: bool scalar, `ConvNet.is_train`.
    :param momentum: share of the old moving statistics that is kept, in [0, 1).
    :param epsilon: added to the variance.
    :param gamma_value: initial value of gamma; beta starts at 0.
    :return: (N, H, W, C) in the dtype of `x`.
    """
    depth = [int(x.shape[-1])]
    gamma, beta = _variable("gamma", depth, gamma_value), _variable("beta", depth, 0.0)
    moving_mean = _variable("moving_mean", depth, 0.0, trainable=False)
    moving_variance = _variable("moving_variance", depth, 1.0, trainable=False)

    share = batch_share()

    def by_batch(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *moving: tf.Tensor) -> Sequence[tf.Tensor]:
        if share is not None and share.sum is not None:
            return _normalised_together(x, gamma, beta, moving[0], epsilon, share.sum, share.size)
        return v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)

    def by_moving(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *moving: tf.Tensor) -> Sequence[tf.Tensor]:
        out, _, _ = v1.nn.fused_batch_norm(x, gamma, beta, *moving, epsilon=epsilon, is_training=False)
        return out, *moving

    inputs = [x, *map(tf.identity, (gamma, beta, moving_mean, moving_variance))]
    if gamma.trainable:
        out, mean, variance = by_phase(is_train, inputs, by_batch, by_moving)
        for moving, batch in ((moving_mean, mean), (moving_variance, variance)):
            update = moving.assign_sub((1.0 - momentum) * (moving - batch))
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
    else:
        out, _, _ = by_moving(*inputs)
    parameters = (gamma, beta, moving_mean, moving_variance)
    v1.add_to_collection(BATCH_NORMS, BatchNorm(x, out, parameters, max(epsilon, FUSED_EPSILON)))
    return out


def _normalised_together(
    x: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    moving_mean: tf.Tensor,
    epsilon: float,
    sum_of_copies: Callable[[tf.Tensor], tf.Tensor],
    batch_size: int,
) -> tuple[tf.Tensor, ...]:
    """Normalise by the statistics of the whole batch, and return these too; the variance has n - 1 in place of n.

    The squares are those of the distance from the moving mean, so that a large mean does not swallow the variance.
    """
    epsilon = max(epsilon, FUSED_EPSILON)
    near = tf.cast(x, tf.float32) - moving_mean
    own = tf.stack([tf.reduce_sum(near, [0, 1, 2]), tf.reduce_sum(tf.square(near), [0, 1, 2])])
    count = tf.cast(batch_size * tf.reduce_prod(tf.shape(x)[1:3]), tf.float32)
    distance, square = tf.unstack(sum_of_copies(own) / count)
    mean = tf.stop_gradient(moving_mean + distance)  # `backward` has the gradients that pass through these
    variance = tf.stop_gradient(square - tf.square(distance))
    by_given = {"epsilon": epsilon, "is_training": False}

    @tf.custom_gradient
    def normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        batch = {"x": x, "mean": mean, "variance": variance, **by_given}
        forward = tf.raw_ops.FusedBatchNormV3(scale=gamma, offset=beta, **batch)

        def backward(gradient: tf.Tensor) -> tuple[tf.Tensor, ...]:
            known = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=gradient, x=x, scale=gamma, reserve_space_1=mean, reserve_space_2=variance,
                reserve_space_3=forward.reserve_space_3, **by_given,
            )  # fmt: skip
            of_parameters = known.scale_backprop, known.offset_backprop
            # What reaches x through the mean and the variance is linear in x, so batch norm computes it too.
            factor = gamma * tf.math.rsqrt(variance + epsilon) / count
            scale, offset = tf.unstack(sum_of_copies(tf.stack(of_parameters)) * factor)
            through = tf.raw_ops.FusedBatchNormV3(scale=scale, offset=offset, **batch)
            return known.x_backprop - through.y, *of_parameters

        return forward.y, backward

    return normalised(x, gamma, beta), mean, variance * count / tf.maximum(count - 1.0, 1.0)


def dropout(x: tf.Tensor, rate: float, is_train: tf.Tensor) -> tf.Tensor:
    """In training, zero each element with probability `rate` and scale the others by 1 / (1 - rate).

    The mask is a function of (graph seed, scope name, global step): a resumed run draws the masks that the
    uninterrupted run would have drawn. Call it once in a variable scope: two calls would share a mask. A network
    that has a share of each batch takes its rows of the mask of the whole batch.

    :param rate: in [0, 1).
    :return: a tensor like `x`; `x` itself where `is_train` is False.
    """
    if rate == 0.0:
        return x
    seed = [_graph_seed() ^ _named_seed("dropout"), global_step()]
    share = batch_share()

    def drop(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.control_dependencies([x]):  # a prediction must not need the global step
            key = tf.stack(seed)
        if share is None:
            return [tf.nn.experimental.stateless_dropout(x, rate, seed=key, rng_alg="philox")]
        return [tf.nn.experimental.general_dropout(x, rate, partial(_own_rows, share, key))]

    [out] = by_phase(is_train, [x], drop, lambda x: [x])
    return out


def _own_rows(share: BatchShare, seed: tf.Tensor, shape: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Draw uniform numbers for the whole batch, and return those of the own rows, of `shape`.

    TensorFlow must not know their number: once the gradients of the enclosing conditional are built, it would
    assume this number for every prediction.
    """
    whole = tf.concat([[share.size], shape[1:]], axis=0)
    drawn = tf.random.stateless_uniform(whole, seed, dtype=dtype, alg="philox")
    return drawn[share.start : share.start + shape[0]]


def local_response_norm(x: tf.Tensor, *, bias: float = 2.0, alpha: float = 1e-4) -> tf.Tensor:
    """Divide by (bias + alpha * sum of squares over 5 adjacent channels) ** 0.75: Krizhevsky et al. 2012, 3.3.

    Computes in float32, because TensorFlow has no CPU kernel for bfloat16.

    :param x: (N, H, W, C).
    :param bias: k in the paper.
    :param alpha: factor of the sum, as in the paper; Caffe's is the factor of the mean, five times as large.
    """
    wide = tf.cast(x, tf.float32)
    out = tf.nn.local_response_normalization(wide, depth_radius=2, bias=bias, alpha=alpha, beta=0.75)
    return tf.cast(out, x.dtype)
