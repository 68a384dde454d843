"""models/weights/maps/resnets.py: where the variables of a ResNet are."""

import numpy as np
import pytest

from models.nn import ResNet
from models.weights.errors import WeightsError
from models.weights.files import Weights
from models.weights.load import load_tensors
from models.weights.maps.resnets import OPTIONS, Place, depth_of, member, places
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


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_member_of_the_family_by_its_shapes(name):
    shapes = {v.op.name: tuple(v.shape.as_list()) for v in whole_net(name).variables}
    assert member(shapes) == name.replace("resnet", "-")
    assert member(dict(list(shapes.items())[:-20])) == ""


def test_a_file_of_another_depth_is_named(session):
    """The stem, the sixteen blocks and the three shortcuts of a ResNet-34, in a ResNet of two blocks."""
    names = ["conv1", *(f"layer1.{block}.conv{n}" for block in range(16) for n in (1, 2))]
    names += [f"layer{stage}.0.downsample.0" for stage in (2, 3, 4)]
    tensors = {f"{name}.weight": np.zeros((4, 3, 7, 7), np.float32) for name in names}
    tensors["bn1.running_mean"] = np.zeros(4, np.float32)
    with tf.Graph().as_default():
        model = ResNet((16, 16, 3), 2, **SMALL, **OPTIONS)
    message = r"'net.pth' \(torchvision ResNet-34\) does not hold the weights of ResNet"
    with pytest.raises(WeightsError, match=message):
        load_tensors(session(model), model, Weights(tensors, "torch", "net.pth"))


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
