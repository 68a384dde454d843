"""The gradient of a convolution with respect to its filters, as matrix products: faster where images are small.

A filter's gradient at offset (i, j) is the product of the pixels that the offset meets, (N * H' * W', ic)
transposed, with the gradients of the output, (N * H' * W', oc). Where the output is small, TensorFlow's own kernel
is much slower than a matrix product, above all with stride 2; where images are large and channels few, cutting out
the windows costs more than the products save. `products_pay` is based on the times in docs/performance.md.
"""

import os

import tensorflow as tf

from models.runtime.cpu import usable_instructions

GRADIENT = "Conv2DFiltersByProducts"
# The largest side of the output in pixels for which the products are faster than the kernel: by whether oneDNN may
# use AVX-512, by dtype, and by whether the filter is a single pixel. The kernel is faster for all others.
LARGEST_SIDE = {
    (True, tf.float32, False): 8,
    (True, tf.float32, True): 28,
    (True, tf.bfloat16, False): 14,
    (True, tf.bfloat16, True): 28,
    (False, tf.float32, True): 7,
}
FEWEST_CHANNELS = 128  # of the output
FEWEST_INPUTS = 32  # channels: with fewer, the matrix is too narrow
LARGEST_FILTER = 5  # pixels: larger ones were not measured


def products_pay(x: tf.Tensor, filters: tf.Tensor, stride: int, padding: str) -> bool:
    """Return whether a step is faster with the products; on a GPU TensorFlow's own kernel always is.

    :param x: (N, H, W, ic), convolved with `filters` (fh, fw, ic, oc).
    :param padding: SAME or VALID.
    """
    height, width = x.shape.as_list()[1:3]
    side, other_side, inputs, outputs = (int(size) for size in filters.shape)
    if height is None or width is None or side != other_side or side > LARGEST_FILTER:
        return False
    if inputs < FEWEST_INPUTS or outputs < FEWEST_CHANNELS:
        return False
    if tf.config.list_physical_devices("GPU"):
        return False
    pixels = _outputs_along(height, side, stride, padding) * _outputs_along(width, side, stride, padding)
    has_avx512 = "avx512f" in usable_instructions(os.environ)
    return pixels <= LARGEST_SIDE.get((has_avx512, x.dtype, side == 1), 0) ** 2


@tf.RegisterGradient(GRADIENT)
def _conv2d_gradients(op: tf.Operation, upstream: tf.Tensor) -> list[tf.Tensor]:
    """Return the gradients of a Conv2D operation with respect to its input and its filters."""
    x, filters = op.inputs
    strides, padding = op.get_attr("strides"), op.get_attr("padding").decode()
    upstream = tf.ensure_shape(upstream, op.outputs[0].shape)  # later layers may have lost it
    by_input = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(x), filter=filters, out_backprop=upstream, strides=strides, padding=padding
    )
    return [by_input, filter_gradient(x, upstream, int(filters.shape[0]), strides[1], padding)]


def filter_gradient(x: tf.Tensor, upstream: tf.Tensor, side: int, stride: int, padding: str) -> tf.Tensor:
    """Return the sum over images and pixels of `x` times `upstream`, for each place in the filter.

    :param x: (N, H, W, ic), the input of the convolution.
    :param upstream: (N, H', W', oc), the gradient of its result.
    :param side: side of the square filter (pixels).
    :param padding: SAME or VALID.
    :return: (side, side, ic, oc).
    """
    height, width = int(upstream.shape[1]), int(upstream.shape[2])
    inputs, outputs = int(x.shape[3]), int(upstream.shape[3])
    edges = [_zeros_along(int(size), side, stride, padding) for size in x.shape.as_list()[1:3]]
    if any(sum(edge) for edge in edges):
        x = tf.pad(x, [[0, 0], *edges, [0, 0]])
    rows = tf.reshape(upstream, [-1, outputs])  # (N * H' * W', oc)
    size = [-1, (height - 1) * stride + 1, (width - 1) * stride + 1, inputs]
    products: list[tf.Tensor] = []
    for offset in ((i, j) for i in range(side) for j in range(side)):
        # All windows cut at once would fill the memory; one in use and one ahead are enough.
        with tf.control_dependencies(products[-2:-1]):
            window = tf.slice(x, [0, *offset, 0], size)
        if stride > 1:
            window = tf.nn.avg_pool2d(window, 1, stride, "VALID")  # quicker than a strided slice
        products.append(tf.matmul(tf.reshape(window, [-1, inputs]), rows, transpose_a=True))
    return tf.reshape(tf.stack(products), [side, side, inputs, outputs])


def _outputs_along(size: int, side: int, stride: int, padding: str) -> int:
    """Return the output pixels of a convolution along an axis of `size` pixels."""
    return -(-size // stride) if padding == "SAME" else -(-(size - side + 1) // stride)


def _zeros_along(size: int, side: int, stride: int, padding: str) -> list[int]:
    """Return the zeros that TensorFlow adds before and after an axis of `size` pixels."""
    if padding == "VALID":
        return [0, 0]
    missing = max((_outputs_along(size, side, stride, padding) - 1) * stride + side - size, 0)
    return [missing // 2, missing - missing // 2]
