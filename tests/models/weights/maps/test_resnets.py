"""models/weights/maps/resnets.py: where the variables of a ResNet are."""

import pytest

from models.nn import ResNet
from models.weights.errors import WeightsError
from models.weights.maps.resnets import OPTIONS, Place, depth_of, places
from tests.conftest import tf, tiny_model, v1, whole_net

SMALL = {"stages": (1, 1), "widths": (4, 8)}


def small():
    return ResNet((16, 16, 3), 2, **SMALL)


def test_the_places_by_hand():
    with tf.Graph().as_default():
        found = places(small(), "source")
    assert found["stem/gamma"] == Place(0, 0, "stem", "gamma")
    assert found["stage2/block1/conv2/weights"] == Place(2, 1, "conv2", "weights")
    assert found["stage2/block1/shortcut/moving_mean"] == Place(2, 1, "shortcut", "moving_mean")
    assert found["fc/biases"] == Place(0, 0, "fc", "biases")
    assert len(found) == 6 * 5 + 2  # five variables of each convolution and its norm, two of the last layer


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 18), ("resnet50", 50), ("resnet20", 20)])
def test_the_depth_is_that_of_the_name(name, depth):
    assert depth_of(whole_net(name), "source") == depth


def test_every_option_of_the_source_is_one_of_ours():
    with tf.Graph().as_default():
        model = ResNet((16, 16, 3), 2, **SMALL, **OPTIONS)
    assert {name: model.options[name] for name in OPTIONS} == OPTIONS


def test_another_network_is_an_error_that_names_its_first_variable():
    message = "a source has no counterpart of the variable conv1/weights of TinyNet; build a ResNet"
    with pytest.raises(WeightsError, match=message):
        places(tiny_model(), "a source")


def test_a_network_in_a_scope_is_an_error():
    with tf.Graph().as_default(), v1.variable_scope("mine"):
        model = small()
    with pytest.raises(WeightsError, match="such as resnet50, without a variable scope around it"):
        places(model, "a source")
