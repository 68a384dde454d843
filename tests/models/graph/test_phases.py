"""Values and gradients of both phases, on whatever device TensorFlow chooses."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.phases import by_phase
from models.layers import batch_norm, dropout

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("is_train", "value", "gradients"), [(True, 12.0, [4.0, 3.0]), (False, 7.0, [1.0, 1.0])]
)
@pytest.mark.parametrize("inside", ["graph", "condition", "function"])
def test_the_result_and_its_gradients_are_those_of_the_phase(is_train, value, gradients, inside):
    with tf.Graph().as_default(), v1.Session() as sess:
        phase = v1.placeholder_with_default(False, [])
        x, y = tf.constant(3.0), tf.constant(4.0)

        def compute():
            return by_phase(phase, [x, y], lambda x, y: [x * y], lambda x, y: [x + y])[0]

        if inside == "condition":
            out = tf.cond(tf.constant(True), compute, lambda: x)
        else:
            out = tf.function(compute)() if inside == "function" else compute()
        found = sess.run([out, *tf.gradients(out, [x, y])], {phase: is_train})
    assert found == [value, *gradients]


def test_the_gradients_of_batch_norm_are_those_of_its_definition():
    """TensorFlow's gradient of a tf.cond has others on a GPU."""
    images, upstream = RNG.normal(2.0, 3.0, (8, 5, 5, 4)), RNG.normal(size=(8, 5, 5, 4))
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, images.shape)
        is_train = v1.placeholder_with_default(False, [])
        out = batch_norm(x, is_train, epsilon=1e-3)
        variables = v1.trainable_variables()  # gamma, beta
        found = tf.gradients(out, [x, *variables], tf.constant(upstream, tf.float32))
        with v1.Session() as sess:
            sess.run(v1.global_variables_initializer())
            by_image, by_gamma, by_beta = sess.run(found, {x: images, is_train: True})
    deviation = np.sqrt(images.var((0, 1, 2)) + 1e-3)
    normal = (images - images.mean((0, 1, 2))) / deviation
    means = upstream.mean((0, 1, 2)), (upstream * normal).mean((0, 1, 2))
    np.testing.assert_allclose(by_image, (upstream - means[0] - normal * means[1]) / deviation, atol=1e-5)
    np.testing.assert_allclose(by_gamma, (upstream * normal).sum((0, 1, 2)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(by_beta, upstream.sum((0, 1, 2)), rtol=1e-3, atol=1e-3)


def test_a_prediction_does_not_need_the_global_step():
    with tf.Graph().as_default(), v1.Session() as sess:  # nothing is initialised
        out = dropout(tf.ones([2, 3]), 0.5, tf.constant(False))
        np.testing.assert_array_equal(sess.run(out), np.ones([2, 3]))
