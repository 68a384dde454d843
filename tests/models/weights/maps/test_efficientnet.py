"""models/weights/maps/efficientnet.py against an independent network in PyTorch, and the published file."""

import numpy as np
import pytest

from models.layers import conv_layer
from models.nn import EfficientNetLite0
from models.weights.errors import WeightsError
from models.weights.files import Weights
from models.weights.load import load_tensors
from models.weights.maps.catalogue import recognise
from models.weights.maps.efficientnet import EFFICIENTNET_LITE
from tests.conftest import TinyNet, tf, v1, whole_net
from tests.support.published_nets import (
    check_logits,
    check_names,
    import_of_torch,
    load,
    random_images,
    random_tensors,
    torch_logits,
)


def peer(variant):
    import_of_torch("torch")
    from benchmarks.peers.torch_efficientnet import EfficientNetLite

    return EfficientNetLite(variant, 1000)


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_the_logits_are_those_of_pytorch(variant, session, one_torch_thread):
    theirs = peer(variant)
    model = whole_net(f"efficientnet-lite{variant}")
    tensors, images = random_tensors(model, EFFICIENTNET_LITE), random_images(model, 2)
    for name in tensors:
        if name.endswith("_depthwise_conv.weight"):  # whose filters read one channel each
            tensors[name] *= tensors[name].shape[0] ** 0.5
    sess = session(model)
    load(sess, model, tensors, EFFICIENTNET_LITE)
    check_logits(sess, model, images, torch_logits(theirs, tensors, images, EFFICIENTNET_LITE))


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_every_tensor_has_its_variable(variant):
    with import_of_torch("torch").device("meta"):
        state = peer(variant).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert recognise(shapes) is EFFICIENTNET_LITE
    check_names(whole_net(f"efficientnet-lite{variant}"), EFFICIENTNET_LITE, shapes)


FILE = Weights({"_conv_stem.weight": np.zeros((4, 3, 3, 3), np.float32)}, "torch", "lite.pth")


class WithBiases(TinyNet):
    """Another network with a scope of the same name."""

    def _build_model(self):
        with v1.variable_scope("stem"):
            conv_layer(self.inputs, 3, 2, 4)
        return super()._build_model()


@pytest.mark.parametrize("net", [TinyNet, WithBiases])
def test_another_network_is_an_error_that_names_differences(net, session):
    with tf.Graph().as_default():
        model = net((10, 10, 3), 2)
    with pytest.raises(
        WeightsError, match="does not hold the weights of .* conv1/weights of the network has no"
    ):
        load_tensors(session(model), model, FILE, EFFICIENTNET_LITE)


def test_another_epsilon_is_an_error_that_names_it(session):
    with tf.Graph().as_default():
        model = EfficientNetLite0((8, 8, 3), 2, width=0.1, depth=0.1, batch_norm_epsilon=1e-5)
    with pytest.raises(WeightsError, match="batch_norm_epsilon is 1e-05, must be 0.001"):
        load_tensors(session(model), model, FILE, EFFICIENTNET_LITE)
