"""models/weights/maps/torchvision.py against torchvision's networks."""

import numpy as np
import pytest

from models.nn import AlexNet, ResNet18, ResNet50
from models.weights.errors import WeightsError
from models.weights.maps.catalogue import recognise
from models.weights.maps.torchvision import TORCHVISION_ALEXNET, TORCHVISION_RESNET
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

RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    pytest.param("resnet101", marks=pytest.mark.long),
    pytest.param("resnet152", marks=pytest.mark.long),
)


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


@pytest.mark.parametrize("name", ["resnet18", "resnet26", "resnet50"])
def test_timm_names_its_resnets_as_torchvision(name):
    timm = import_of_torch("timm")
    with import_of_torch("torch").device("meta"):
        state = timm.create_model(name, pretrained=False).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert recognise(shapes) is TORCHVISION_RESNET
    if name == "resnet26":  # of timm alone, with ResNet-50's blocks
        model = build(ResNet50, 32, TORCHVISION_RESNET, num_classes=1000, stages=(2, 2, 2, 2))
    else:
        model = whole_net(name)
    check_names(model, TORCHVISION_RESNET, shapes)


def test_a_resnet_has_the_logits_of_timm(session, one_torch_thread):
    resnet = import_of_torch("timm").models.resnet
    stages = (2, 1, 1, 1)
    peer = resnet.ResNet(resnet.Bottleneck, stages, num_classes=CLASSES)
    model = build(ResNet50, 64, TORCHVISION_RESNET, stages=stages)
    tensors, images = random_tensors(model, TORCHVISION_RESNET), random_images(model)
    sess = session(model)
    load(sess, model, tensors, TORCHVISION_RESNET)
    check_logits(sess, model, images, torch_logits(peer, tensors, images, TORCHVISION_RESNET))


def test_alexnet_has_the_logits_of_torchvision(session, one_torch_thread):
    peer = import_of_torch("torchvision").models.alexnet(weights=None, num_classes=CLASSES)
    model = build(AlexNet, 224, TORCHVISION_ALEXNET, dropout_prob=0.5, widths=(64, 192, 384, 256, 256))
    tensors, images = random_tensors(model, TORCHVISION_ALEXNET), random_images(model)
    shapes = {name: tuple(value.shape) for name, value in peer.state_dict().items()}
    assert recognise(shapes) is TORCHVISION_ALEXNET
    check_names(model, TORCHVISION_ALEXNET, shapes)
    sess = session(model)
    load(sess, model, tensors, TORCHVISION_ALEXNET)
    check_logits(sess, model, images, torch_logits(peer, tensors, images, TORCHVISION_ALEXNET))


@pytest.mark.parametrize("source", [TORCHVISION_RESNET, TORCHVISION_ALEXNET], ids=lambda source: source.name)
def test_the_preprocessing_is_that_of_the_published_weights(source):
    models = import_of_torch("torchvision").models
    weights = models.AlexNet_Weights if source is TORCHVISION_ALEXNET else models.ResNet50_Weights
    transforms = weights.IMAGENET1K_V1.transforms()
    assert tuple(transforms.mean) == source.preprocessing.mean
    assert tuple(transforms.std) == source.preprocessing.std


def test_fc6_of_alexnet_is_sorted_anew():
    """Four pixels of 256 channels, and one output."""
    pair = next(
        pair for pair in TORCHVISION_ALEXNET.pairs(whole_net("alexnet")) if pair.ours == "fc6/weights"
    )
    theirs = np.arange(256 * 4, dtype=np.float32).reshape(1, -1)  # channel c at pixel p: 4 * c + p
    ours = pair.layout.to_ours(theirs)
    assert ours.shape == (256 * 4, 1)
    np.testing.assert_array_equal(ours[:3, 0], [0, 4, 8])  # the first pixel of the first channels
    np.testing.assert_array_equal(ours[256:259, 0], [1, 5, 9])
    np.testing.assert_array_equal(pair.layout.to_theirs(ours), theirs)


def test_another_network_has_no_counterparts():
    with pytest.raises(
        WeightsError, match="torchvision ResNet has no counterpart of the variable conv1/weights"
    ):
        TORCHVISION_RESNET.pairs(tiny_model())
