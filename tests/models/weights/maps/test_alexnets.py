"""models/weights/maps/alexnets.py: the variables of an AlexNet by layer."""

import pytest

from models.nn import AlexNet
from models.weights.errors import WeightsError
from models.weights.maps.alexnets import FIRST_LAYER, HEAD, OPTIONS, alexnet_pairs
from models.weights.naming import Pair
from tests.conftest import tf, tiny_model


def pair_of(layer, kind):
    return Pair(f"{layer}/{kind}", f"{kind} of {layer}")


def test_every_variable_has_a_pair():
    with tf.Graph().as_default():
        model = AlexNet((67, 67, 3), 2, **OPTIONS)
    pairs = alexnet_pairs(model, "a source", pair_of)
    assert len(pairs) == 16
    assert pairs[0] == Pair(FIRST_LAYER, "weights of conv1")
    assert pairs[-1] == Pair(f"{HEAD}/biases", "biases of fc8")
    assert model.head == HEAD


def test_another_network_is_an_error_that_names_its_first_variable():
    message = "a source has no counterpart of the variable conv1/gamma of TinyNet; build alexnet"
    with pytest.raises(WeightsError, match=message):
        alexnet_pairs(tiny_model(), "a source", pair_of)
