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


CAFFE = {"groups": 2, "local_response_norm": "caffe"}
TORCHVISION = {"widths": [64, 192, 384, 256, 256], "image_padding": 2, "dropout_on": "inputs"}


@pytest.mark.parametrize(
    ("side", "options", "parameters"), [(227, CAFFE, 60_965_224), (224, TORCHVISION, 61_100_840)]
)
def test_the_published_networks_have_their_parameters(side, options, parameters):
    with tf.Graph().as_default():
        model = AlexNet([side, side, 3], 1000, **options)
    assert model.num_parameters == parameters
    assert tuple(model.d["pool5"].shape[1:]) == (6, 6, 256)


def test_local_response_norm_with_the_constants_of_caffe(session):
    """Caffe's alpha is divided by the five channels, and the sum starts at 1 where the paper's starts at 2."""
    with tf.Graph().as_default():
        model = AlexNet([67, 67, 3], 2, local_response_norm="caffe")
    norm = next(op for op in model.graph.get_operations() if op.type == "LRN")
    constants = {name: norm.get_attr(name) for name in ("depth_radius", "bias", "alpha", "beta")}
    assert constants == pytest.approx({"depth_radius": 2, "bias": 1.0, "alpha": 2e-5, "beta": 0.75})


def test_dropout_on_inputs_is_in_front_of_fc6_and_fc7():
    with tf.Graph().as_default() as graph:
        model = AlexNet([67, 67, 3], 2, dropout_prob=0.5, dropout_on="inputs")
    products = {op.name: op.inputs[0] for op in graph.get_operations() if op.type == "MatMul"}
    assert products["fc8/MatMul"] is model.d["relu7"]
    dropped = [products[f"{layer}/MatMul"].op.type for layer in ("fc6", "fc7")]
    assert dropped == ["Merge"] * 2  # of training and prediction
    assert products["fc7/MatMul"] is not model.d["relu6"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"local_response_norm": "torch"}, "local_response_norm is 'torch'; it must be true, false or caffe"),
        ({"widths": [96, 256]}, r"widths is \[96, 256\]; it must be a list of 5 positive integers"),
        ({"widths": 5}, "widths is 5; it must be a list of 5 positive integers"),
        ({"groups": 0}, "groups is 0; it must be a positive integer"),
        ({"groups": 5}, "96 channels and 256 filters cannot be divided into 5 groups"),
        ({"image_padding": -1}, "image_padding is -1; it must be an integer of at least 0"),
        ({"dropout_on": "all"}, "dropout_on is 'all'; it must be one of outputs, inputs"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_option(options, message):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        AlexNet([67, 67, 3], 2, **options)
