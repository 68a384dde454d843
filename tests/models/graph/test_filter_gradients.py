"""models/graph/filter_gradients.py against TensorFlow's own gradients."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models import layers
from models.graph.filter_gradients import filter_gradient, products_pay
from models.nn import ResNet, SmallNet

CASES = [  # height, width, side, stride, padding
    (7, 7, 3, 1, "SAME"),
    (7, 6, 3, 1, "VALID"),
    (8, 8, 3, 2, "SAME"),
    (9, 8, 3, 2, "SAME"),
    (10, 10, 3, 2, "VALID"),
    (8, 8, 1, 1, "SAME"),
    (9, 8, 1, 2, "SAME"),
    (11, 12, 5, 3, "VALID"),
    (6, 6, 4, 1, "SAME"),
    (5, 5, 2, 4, "SAME"),
]


def gradients(x, filters, upstream, stride, padding):
    """Return TensorFlow's gradient and that of the products: [(fh, fw, ic, oc), (fh, fw, ic, oc)]."""
    with tf.Graph().as_default(), v1.Session() as sess:
        images = v1.placeholder(x.dtype, [None, *x.shape[1:]])
        weights = tf.constant(filters)
        out = tf.nn.conv2d(images, weights, stride, padding)
        own = tf.gradients(out, weights, grad_ys=tf.constant(upstream))[0]
        products = filter_gradient(images, tf.constant(upstream), filters.shape[0], stride, padding)
        return sess.run([own, products], {images: x})


@pytest.mark.parametrize(("height", "width", "side", "stride", "padding"), CASES)
def test_products_are_tensorflows_gradient(height, width, side, stride, padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, height, width, 4)).astype(np.float32)
    filters = rng.normal(size=(side, side, 4, 5)).astype(np.float32)
    with tf.Graph().as_default():
        out_shape = tf.nn.conv2d(tf.constant(x), tf.constant(filters), stride, padding).shape
    own, products = gradients(x, filters, rng.normal(size=out_shape).astype(np.float32), stride, padding)
    np.testing.assert_allclose(products, own, rtol=1e-5, atol=1e-5)


def test_by_hand():
    # one image [[1, 2], [3, 4]], a 2x2 filter at its only place, gradient 10: ten times the image
    x = np.array([[1, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
    upstream = np.full((1, 1, 1, 1), 10, np.float32)
    with tf.Graph().as_default(), v1.Session() as sess:
        found = sess.run(filter_gradient(tf.constant(x), tf.constant(upstream), 2, 1, "VALID"))
    assert found.reshape(2, 2).tolist() == [[10, 20], [30, 40]]


@pytest.mark.bfloat16
def test_bfloat16_is_as_near_to_float32_as_tensorflows_own():
    rng = np.random.default_rng(0)
    x, upstream = (rng.normal(size=(4, 7, 7, 64)).astype(np.float32) for _ in range(2))
    filters = np.zeros((3, 3, 64, 64), np.float32)
    exact, _ = gradients(x, filters, upstream, 1, "SAME")
    bfloat16 = tf.bfloat16.as_numpy_dtype
    own, products = gradients(
        x.astype(bfloat16), filters.astype(bfloat16), upstream.astype(bfloat16), 1, "SAME"
    )
    own_error, error = (np.abs(g.astype(np.float32) - exact).max() for g in (own, products))
    assert error < 1.5 * own_error


@pytest.mark.parametrize(
    ("flags", "size", "side", "depths", "stride", "pays"),
    [
        ("avx2 avx512f", 7, 3, (512, 512), 1, True),
        ("avx2", 7, 3, (512, 512), 1, False),
        ("avx2 avx512f", 56, 3, (64, 64), 1, False),
        ("avx2 avx512f", 32, 3, (16, 32), 2, False),
        ("avx2 avx512f", 14, 3, (256, 256), 2, True),
        ("avx2 avx512f", 56, 3, (128, 128), 2, False),
        ("avx2 avx512f", 14, 1, (256, 1024), 1, True),
        ("avx2", 14, 1, (256, 1024), 1, False),
        ("avx2", 7, 1, (512, 2048), 1, True),
        ("avx2 avx512f", 56, 1, (64, 256), 1, False),
        ("avx2 avx512f", 56, 7, (3, 128), 2, False),
        ("avx2 avx512f", 14, 3, (16, 128), 2, False),
    ],
)
def test_conv2d_takes_the_products_where_they_pay(cpu_with, flags, size, side, depths, stride, pays):
    cpu_with(flags)
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, size, size, depths[0]])
        filters = v1.get_variable("weights", [side, side, *depths], use_resource=True)
        out = layers.conv2d(x, filters, stride)
        assert products_pay(x, filters, stride, "SAME") is pays
        gradient = tf.gradients(out, [x, filters])
        kernels = [op for op in graph.get_operations() if op.type == "Conv2DBackpropFilter"]
        assert (not kernels) is pays
        assert [g.shape.as_list() for g in gradient] == [[None, size, size, depths[0]], [side, side, *depths]]


def test_a_gpu_keeps_its_own_kernel(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, 7, 7, 512])
        assert not products_pay(x, tf.zeros([3, 3, 512, 512]), 1, "SAME")


def test_images_of_unknown_size_keep_the_kernel():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, None, None, 512])
        assert not products_pay(x, tf.zeros([3, 3, 512, 512]), 1, "SAME")
        assert "_gradient_op_type" not in layers.conv2d(x, tf.zeros([3, 3, 512, 512]), 1).op.node_def.attr


def test_a_step_through_a_net_agrees_with_the_kernels(cpu_with, monkeypatch):
    """Compare loss and gradients of ResNet's strided block with PyTorch's padding."""
    cpu_with("avx2 avx512f")
    images = np.random.default_rng(0).integers(0, 256, size=(2, 28, 28, 3), dtype=np.uint8)
    options = {"stages": (1, 1), "widths": (32, 128), "padding": "SYMMETRIC"}
    found = []
    for pays in (products_pay, lambda *arguments: False):
        monkeypatch.setattr(layers, "products_pay", pays)
        with tf.Graph().as_default():
            model = ResNet((28, 28, 3), 2, **options)
            gradients_op = tf.gradients(model.loss, model.trainable_variables)
            kinds = [op.type for op in model.graph.get_operations()]
            with v1.Session() as sess:
                sess.run(v1.global_variables_initializer())
                feed = model.feed(images, np.eye(2, dtype=np.uint8), is_train=True)
                values = sess.run([model.loss, *gradients_op], feed)
            found.append((values, kinds.count("Conv2DBackpropFilter")))
    (products, num_kernels), (kernels, all_kernels) = found
    assert (num_kernels, all_kernels) == (3, 6)  # products: both convolutions and the shortcut of stage 2
    for ours, own in zip(products, kernels, strict=True):
        np.testing.assert_allclose(ours, own, rtol=1e-3, atol=1e-5 * np.abs(own).max())


def test_two_trainings_with_products_end_in_the_same_bits(cpu_with):
    """The digits' net takes products from its second stage on."""
    cpu_with("avx2 avx512f")
    images = np.random.default_rng(0).integers(0, 256, size=(16, 28, 28, 1), dtype=np.uint8)
    labels = np.eye(10, dtype=np.uint8)[np.arange(16) % 10]
    ends = []
    for _ in range(2):
        with tf.Graph().as_default():
            model = SmallNet((28, 28, 1), 10)
            update = v1.train.GradientDescentOptimizer(0.1).minimize(model.loss)
            assert any(
                "transpose_a" in op.node_def.attr and op.get_attr("transpose_a") for op in _gradients(model)
            )
            with v1.Session() as sess:
                sess.run(v1.global_variables_initializer())
                for _ in range(3):
                    sess.run(update, model.feed(images, labels, is_train=True))
                ends.append(sess.run(model.trainable_variables))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def _gradients(model):
    return [op for op in model.graph.get_operations() if "Conv2D_grad" in op.name]
