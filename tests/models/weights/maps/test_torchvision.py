"""models/weights/maps/torchvision.py against torchvision's networks."""

import pytest

from models.nn import ResNet18, ResNet50
from models.weights.errors import WeightsError
from models.weights.maps.catalogue import recognise
from models.weights.maps.torchvision import TORCHVISION_RESNET
from tests.conftest import tiny_model, whole_net
from tests.support.published_nets import (
    CLASSES,
    build,
    check_logits,
    check_names,
    import_of_torch,
    load,
    random_images,
    random_tensors,
    torch_logits,
)

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


@pytest.mark.parametrize(
    ("net", "block", "stages"),
    [(ResNet18, "BasicBlock", (1, 2, 1, 1)), (ResNet50, "Bottleneck", (2, 1, 1, 1))],
)
def test_a_resnet_has_the_logits_of_torchvision(net, block, stages, session, one_torch_thread):
    resnet = import_of_torch("torchvision").models.resnet
    peer = resnet.ResNet(getattr(resnet, block), stages, CLASSES)
    model = build(net, 64, TORCHVISION_RESNET, stages=stages)
    tensors, images = random_tensors(model, TORCHVISION_RESNET), random_images(model)
    sess = session(model)
    load(sess, model, tensors, TORCHVISION_RESNET)
    check_logits(sess, model, images, torch_logits(peer, tensors, images, TORCHVISION_RESNET))


@pytest.mark.parametrize("name", RESNETS)
def test_every_tensor_of_a_resnet_has_its_variable(name):
    models = import_of_torch("torchvision").models
    with import_of_torch("torch").device("meta"):
        state = getattr(models, name)(weights=None).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert recognise(shapes) is TORCHVISION_RESNET
    check_names(whole_net(name), TORCHVISION_RESNET, shapes)


def test_another_network_has_no_counterparts():
    with pytest.raises(
        WeightsError, match="torchvision ResNet has no counterpart of the variable conv1/weights"
    ):
        TORCHVISION_RESNET.pairs(tiny_model())
