"""models/alexnet.py against the AlexNet post."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.nn import AlexNet


def test_has_the_parameters_of_the_post():
    with tf.Graph().as_default():
        model = AlexNet([227, 227, 3], 2)
    assert model.num_parameters == 58_289_538
    shapes = {v.op.name: tuple(v.shape) for v in model.trainable_variables}
    assert shapes["conv1/weights"] == (11, 11, 3, 96)
    assert shapes["fc6/weights"] == (6 * 6 * 256, 4096)
    assert tuple(model.d["pool5"].shape[1:]) == (6, 6, 256)
    assert len(shapes) == 16


def test_initial_values_of_the_post(session):
    with tf.Graph().as_default():
        model = AlexNet([67, 67, 3], 2)
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    values = sess.run({v.op.name: v for v in model.trainable_variables})
    deviations = {"conv2": 0.01, "conv5": 0.01, "fc7": 0.005, "fc8": 0.01}
    biases = {
        "conv1": 0,
        "conv2": 0.1,
        "conv3": 0,
        "conv4": 0.1,
        "conv5": 0.1,
        "fc6": 0.1,
        "fc7": 0.1,
        "fc8": 0,
    }
    for layer, deviation in deviations.items():
        assert values[f"{layer}/weights"].std() == pytest.approx(deviation, rel=0.05)
    for layer, value in biases.items():
        np.testing.assert_array_equal(values[f"{layer}/biases"], np.float32(value))


def test_the_dropout_of_fc7_reaches_the_output():
    with tf.Graph().as_default() as graph:
        model = AlexNet([67, 67, 3], 2, dropout_prob=0.5)
    product = next(op for op in graph.get_operations() if op.name == "fc8/MatMul")
    assert product.inputs[0] is model.d["drop7"]
    assert model.d["drop7"] is not model.d["relu7"]
