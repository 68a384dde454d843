"""models/layers.py against values worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models import layers
from models.graph.batch_share import BatchShare, put_batch_share


def run(build, seed=0, feed=None, steps=()):
    """Build in a new graph, initialise, run `steps` and return the value of what `build` returned."""
    with tf.Graph().as_default():
        v1.set_random_seed(seed)
        fetched = build()
        with v1.Session() as sess:
            sess.run(v1.global_variables_initializer())
            for step in steps:
                sess.run(step() if callable(step) else step, feed)
            return sess.run(fetched, feed)


def test_post_names_and_initial_values():
    def build():
        with v1.variable_scope("conv1"):
            layers.conv_layer(tf.zeros([1, 8, 8, 3]), 3, 1, 64, weights_stddev=0.02, biases_value=0.3)
        return {v.op.name: v for v in v1.global_variables()}

    values = run(build)
    assert set(values) == {"conv1/weights", "conv1/biases"}
    assert values["conv1/weights"].shape == (3, 3, 3, 64)
    assert values["conv1/weights"].std() == pytest.approx(0.02, rel=0.1)
    np.testing.assert_array_equal(values["conv1/biases"], np.full(64, 0.3, np.float32))


def test_initial_values_follow_seed_and_name_not_the_order_of_building():
    def build(names):
        def inner():
            for name in names:
                with v1.variable_scope(name):
                    layers.weight_variable([5, 4])
            return {v.op.name: v for v in v1.global_variables()}

        return inner

    forward, backward = run(build(["a", "b"])), run(build(["b", "a"]))
    other = run(build(["a"]), seed=1)
    np.testing.assert_array_equal(forward["a/weights"], backward["a/weights"])
    assert not np.array_equal(forward["a/weights"], forward["b/weights"])
    assert not np.array_equal(forward["a/weights"], other["a/weights"])


def test_he_stddev_by_hand():
    assert layers.he_stddev([3, 3, 8, 16]) == pytest.approx((2 / 72) ** 0.5)


def test_convolution_pooling_and_fully_connected_by_hand():
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)

    def build():
        ones = tf.ones([2, 2, 1, 1])
        return [
            layers.conv2d(tf.constant(x), ones, 2, padding="VALID"),
            layers.max_pool(tf.constant(x), 2, 2, padding="VALID"),
            layers.global_average_pool(tf.constant(x)),
        ]

    conv, pool, mean = run(build)
    np.testing.assert_array_equal(conv[0, :, :, 0], [[10, 18], [42, 50]])
    np.testing.assert_array_equal(pool[0, :, :, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(mean, [[7.5]])


class TestGroups:
    """Two groups of one channel: the first filter reads the first channel, the second the second."""

    X = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    W = np.array([10.0, 100.0], np.float32).reshape(1, 1, 1, 2)

    def test_by_hand_with_gradients(self):
        def build():
            x, filters = tf.constant(self.X), tf.constant(self.W)
            out = layers.conv2d(x, filters, 1, groups=2)
            return [out, *tf.gradients(tf.reduce_sum(out), [x, filters])]

        out, by_x, by_filters = run(build)
        np.testing.assert_array_equal(out, self.X * [10, 100])
        np.testing.assert_array_equal(by_x, np.broadcast_to(self.W[0, 0], (1, 2, 2, 2)))
        np.testing.assert_array_equal(by_filters.ravel(), [0 + 2 + 4 + 6, 1 + 3 + 5 + 7])

    def test_a_layer_is_its_halves_side_by_side(self):
        x = np.random.default_rng(0).normal(size=(2, 5, 5, 4)).astype(np.float32)

        def build():
            out = layers.conv_layer(tf.constant(x), 3, 2, 6, "SYMMETRIC", groups=2, biases_value=0.5)
            (filters,) = (v for v in v1.global_variables() if v.op.name == "weights")
            halves = [layers.conv2d(x[..., :2], filters[..., :3], 2, "SYMMETRIC")]
            halves.append(layers.conv2d(x[..., 2:], filters[..., 3:], 2, "SYMMETRIC"))
            return out, tf.concat(halves, axis=3), tf.shape(filters)

        out, halves, shape = run(build)
        np.testing.assert_allclose(out, halves + 0.5, rtol=1e-5, atol=1e-6)
        assert tuple(shape) == (3, 3, 2, 6)

    @pytest.mark.parametrize(("channels", "filters"), [(3, 4), (4, 3)])
    def test_what_cannot_be_divided_is_an_error(self, channels, filters):
        message = f"{channels} channels and {filters} filters cannot be divided into 2 groups"
        with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
            layers.conv_layer(tf.zeros([1, 4, 4, channels]), 3, 1, filters, groups=2)


class TestDepthwise:
    """A filter for each channel: here one that sums 3x3 pixels, and one that takes the centre ten times."""

    X = np.stack([np.arange(1, 17).reshape(4, 4), np.arange(16).reshape(4, 4)], axis=-1)[np.newaxis]
    CENTRE = np.float32([[0, 0, 0], [0, 10, 0], [0, 0, 0]])
    FILTERS = np.stack([np.ones((3, 3), np.float32), CENTRE], axis=-1)[..., np.newaxis]

    @pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
    @pytest.mark.parametrize(
        ("stride", "padding", "first", "second"),
        [
            (2, "SAME", [[54, 45], [72, 54]], [[50, 70], [130, 150]]),
            (2, "SYMMETRIC", [[14, 30], [57, 99]], [[0, 20], [80, 100]]),
            (1, "VALID", [[54, 63], [90, 99]], [[50, 60], [90, 100]]),
        ],
    )
    def test_by_hand(self, stride, padding, first, second, dtype):
        def build():
            x = tf.cast(self.X, dtype)
            out = layers.depthwise_conv_layer(x, 3, stride, padding)
            [filters] = v1.global_variables()
            return out.dtype, filters, out

        with tf.Graph().as_default(), v1.Session() as sess:
            got, filters, out = build()
            sess.run(filters.initializer, {filters.initializer.inputs[1]: self.FILTERS})
            values = sess.run(tf.cast(out, tf.float32))
        assert got == dtype
        np.testing.assert_array_equal(values[0, :, :, 0], first)
        np.testing.assert_array_equal(values[0, :, :, 1], second)

    def test_one_variable_with_hes_deviation_of_one_channel(self):
        def build():
            with v1.variable_scope("depthwise"):
                layers.depthwise_conv_layer(tf.zeros([1, 4, 4, 2000]), 3, 1)
            return {v.op.name: v for v in v1.trainable_variables()}

        values = run(build)
        assert list(values) == ["depthwise/weights"]
        assert values["depthwise/weights"].shape == (3, 3, 2000, 1)
        assert values["depthwise/weights"].std() == pytest.approx((2 / 9) ** 0.5, rel=0.05)


class TestSymmetricPadding:
    """(side - 1) // 2 zeros on each edge, as PyTorch pads; SAME has its one zero below and on the right."""

    X = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4, 1)

    @pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
    def test_convolution_by_hand(self, dtype):
        def build():
            x, ones = tf.cast(self.X, dtype), tf.ones([3, 3, 1, 1])
            out = [
                layers.conv2d(x, ones, stride, padding=padding)
                for padding in ("SYMMETRIC", "SAME")
                for stride in (2, 1)
            ]
            assert {tensor.dtype for tensor in out} == {dtype}
            return [tf.cast(tensor, tf.float32) for tensor in out]

        symmetric, symmetric_1, same, same_1 = run(build)
        # windows of rows and columns {-1, 0, 1} and {1, 2, 3}, where SAME has {0, 1, 2} and {2, 3, 4}
        np.testing.assert_array_equal(symmetric[0, :, :, 0], [[14, 30], [57, 99]])
        np.testing.assert_array_equal(same[0, :, :, 0], [[54, 45], [72, 54]])
        np.testing.assert_array_equal(symmetric_1, same_1)
        np.testing.assert_array_equal(symmetric_1[0, 0, :, 0], [14, 24, 30, 22])

    def test_a_5_by_5_filter_is_padded_by_two_zeros_and_a_1_by_1_by_none(self):
        def build():
            x = tf.constant(self.X)
            return [layers.conv2d(x, tf.ones([side, side, 1, 1]), 2, padding="SYMMETRIC") for side in (5, 1)]

        wide, narrow = run(build)
        np.testing.assert_array_equal(wide[0, :, :, 0], [[54, 78], [96, 136]])
        np.testing.assert_array_equal(narrow[0, :, :, 0], [[1, 3], [9, 11]])

    @pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
    def test_max_pool_of_negative_values_by_hand(self, dtype):
        """Padded with zeros, every window on an edge would give 0."""

        def build():
            x = tf.cast(-self.X, dtype)
            out = [layers.max_pool(x, 3, stride, padding="SYMMETRIC") for stride in (2, 1)]
            assert {tensor.dtype for tensor in out} == {dtype}
            return [tf.cast(tensor, tf.float32) for tensor in out]

        halved, same_size = run(build)
        np.testing.assert_array_equal(halved[0, :, :, 0], [[-1, -2], [-5, -6]])
        np.testing.assert_array_equal(
            same_size[0, :, :, 0], [[-1, -1, -2, -3], [-1, -1, -2, -3], [-5, -5, -6, -7], [-9, -9, -10, -11]]
        )

    def test_max_pool_differs_from_same(self):
        same = run(lambda: layers.max_pool(tf.constant(-self.X), 3, 2))
        np.testing.assert_array_equal(same[0, :, :, 0], [[-1, -3], [-9, -11]])


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_subsample_by_hand(dtype):
    x = np.arange(15, dtype=np.float32).reshape(1, 3, 5, 1)

    def build():
        out = [layers.subsample(tf.cast(x, dtype), stride) for stride in (2, 3, 1)]
        assert {tensor.dtype for tensor in out} == {dtype}
        return [tf.cast(tensor, tf.float32) for tensor in out]

    second, third, all_of_it = run(build)
    np.testing.assert_array_equal(second[0, :, :, 0], [[0, 2, 4], [10, 12, 14]])
    np.testing.assert_array_equal(third[0, :, :, 0], [[0, 3]])
    np.testing.assert_array_equal(all_of_it, x)


def test_batch_norm_uses_batch_statistics_in_training_and_moving_ones_otherwise():
    x = np.array([1.0, 3.0], np.float32).reshape(2, 1, 1, 1)  # mean 2, variance 1, unbiased variance 2

    with tf.Graph().as_default():
        is_train = v1.placeholder_with_default(False, [])
        out = layers.batch_norm(tf.constant(x), is_train, momentum=0.9, epsilon=0.0)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        moving = {v.op.name: v for v in v1.global_variables() if not v.trainable}
        with v1.Session() as sess:
            sess.run(v1.global_variables_initializer())
            before = sess.run(out)
            trained, _ = sess.run([out, updates], {is_train: True})
            values = sess.run(moving)
            after = sess.run(out)
    np.testing.assert_allclose(before.ravel(), [1, 3], rtol=1e-6)  # moving mean 0, variance 1
    np.testing.assert_allclose(trained.ravel(), [-1, 1], rtol=1e-6)
    assert values["moving_mean"][0] == pytest.approx(0.1 * 2)
    assert values["moving_variance"][0] == pytest.approx(0.9 + 0.1 * 2)
    np.testing.assert_allclose(after.ravel(), (x.ravel() - 0.2) / 1.1**0.5, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.bfloat16)])
def test_a_share_of_a_batch_is_normalised_and_differentiated_as_in_the_whole_batch(dtype):
    # Two copies have the same rows: together they are a batch that has each row twice.
    rng = np.random.default_rng(0)
    own, above = rng.normal(3, 2, (5, 4, 4, 3)), rng.normal(1, 1, (5, 4, 4, 3))

    def results(x, weights, share):
        with tf.Graph().as_default():
            if share:
                put_batch_share(share)
            x = tf.constant(x, dtype)
            out = layers.batch_norm(x, tf.constant(True), gamma_value=1.5)
            loss = tf.reduce_sum(tf.cast(out, tf.float32) * weights.astype(np.float32))
            gradients = tf.gradients(loss, [x, *v1.trainable_variables()])
            updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
            with v1.Session() as sess:
                sess.run(v1.global_variables_initializer())
                found = sess.run([tf.cast(tensor, tf.float32) for tensor in (out, *gradients)])
                sess.run(updates)
                return found, sess.run([v for v in v1.global_variables() if not v.trainable])

    whole, moved = results(np.concatenate([own, own]), np.concatenate([above, above]), None)
    part, also_moved = results(own, above, BatchShare(0, 5, 10, lambda tensor: 2 * tensor))
    tolerance = 1e-5 if dtype == "float32" else 0.02  # bfloat16 has 8 significant bits
    expected = [whole[0][:5], whole[1][:5], whole[2] / 2, whole[3] / 2]
    for found, value in zip(part + also_moved, expected + moved, strict=True):
        np.testing.assert_allclose(found, value, rtol=tolerance, atol=tolerance * np.abs(value).max())


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_dropout_zeroes_the_share_scales_the_rest_and_follows_the_global_step(rate):
    with tf.Graph().as_default():
        v1.set_random_seed(3)
        is_train = v1.placeholder_with_default(False, [])
        step = v1.train.get_or_create_global_step()
        out = layers.dropout(tf.ones([100, 100]), rate, is_train)
        with v1.Session() as sess:
            sess.run(v1.global_variables_initializer())
            untouched = sess.run(out)
            first, again = (sess.run(out, {is_train: True}) for _ in range(2))
            sess.run(v1.assign_add(step, 1))
            second = sess.run(out, {is_train: True})
    np.testing.assert_array_equal(untouched, np.ones((100, 100)))
    assert (first == 0).mean() == pytest.approx(rate, abs=0.02)
    np.testing.assert_allclose(first[first > 0], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def test_dropouts_in_different_scopes_have_different_masks():
    def build():
        masks = []
        for scope in ("fc6", "fc7"):
            with v1.variable_scope(scope):
                masks.append(layers.dropout(tf.ones([50, 50]), 0.5, tf.constant(True)))
        return masks

    first, second = run(build)
    assert not np.array_equal(first, second)


def test_local_response_norm_by_hand():
    x = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 1, 1, 3)
    out = run(lambda: layers.local_response_norm(tf.constant(x)))
    expected = x.ravel() / (2 + 1e-4 * 14) ** 0.75  # every window of 5 channels holds all three
    np.testing.assert_allclose(out.ravel(), expected, rtol=1e-6)


def test_local_response_norm_with_constants_of_its_own():
    x = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 1, 1, 3)
    out = run(lambda: layers.local_response_norm(tf.constant(x), bias=1.0, alpha=0.5))
    np.testing.assert_allclose(out.ravel(), x.ravel() / (1 + 0.5 * 14) ** 0.75, rtol=1e-6)


@pytest.mark.bfloat16
def test_bfloat16_input_keeps_float32_variables():
    def build():
        with v1.variable_scope("conv"):
            out = layers.conv_layer(tf.zeros([1, 4, 4, 1], tf.bfloat16), 3, 1, 2)
        assert out.dtype == tf.bfloat16
        assert all(v.dtype.base_dtype == tf.float32 for v in v1.global_variables())
        return tf.cast(out, tf.float32)

    assert run(build).shape == (1, 4, 4, 2)
