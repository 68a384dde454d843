"""models/weights/maps/unsupported.py: relatives of known networks are refused by name."""

import pytest

from models.weights.errors import WeightsError
from models.weights.maps.catalogue import recognise
from models.weights.maps.unsupported import unsupported
from tests.support.published_nets import import_of_torch

NORMALISES_FIRST = "a ResNet that normalises first"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resnet50d",
            "three convolutions in the stem, such as timm's resnet50d, which this project does not have",
        ),
        ("resnet18d", "three convolutions in the stem"),
        ("resnet50_clip", "several convolutions in the stem"),
        ("seresnet50", "attention to channels, such as timm's seresnet50"),
        ("skresnet50", "attention to channels"),
        ("resnet50_gn", "normalises groups of channels"),
        ("resnetv2_50", NORMALISES_FIRST),
        ("wide_resnet50_2", "a ResNeXt or wide ResNet"),
        ("resnext50_32x4d", "a ResNeXt or wide ResNet"),
    ],
)
def test_the_message_names_the_variant(name, message):
    timm = import_of_torch("timm")
    with import_of_torch("torch").device("meta"):
        state = timm.create_model(name, pretrained=False).state_dict()
    with pytest.raises(WeightsError, match=message):
        recognise({name: tuple(value.shape) for name, value in state.items()})


@pytest.mark.parametrize("name", ["resnet_v2_101/conv1/weights", "conv2_block1_preact_bn/gamma"])
def test_version_2_of_other_programs(name):
    assert unsupported({name: (64,)}).startswith(NORMALISES_FIRST)


def test_other_names_are_not_refused():
    assert unsupported({}) == unsupported({"conv1/weights": (11, 11, 3, 96)}) == ""
