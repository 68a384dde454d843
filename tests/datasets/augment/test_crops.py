import inspect
from dataclasses import fields

import pytest

from datasets.augment.crops import Crops
from datasets.dataset import DataSet
from datasets.errors import OptionError


def test_every_field_is_an_option_of_dataset_with_the_same_default():
    parameters = inspect.signature(DataSet).parameters
    for field in fields(Crops):
        assert field.name in parameters
        if field.name != "crop_size":
            assert field.default == parameters[field.name].default, field.name


@pytest.mark.parametrize(
    ("options", "channels", "message"),
    [
        (
            {"crop_size": 0},
            3,
            "crop_size 0 does not fit into images of 8x8 with a padding of 0; choose 1 to 8 pixels",
        ),
        ({"crop_size": 11, "padding": 1}, 3, "with a padding of 1; choose 1 to 10 pixels"),
        ({"padding": -1}, 3, "padding is -1; give the width of the frame in pixels, 0 for none"),
        ({"pca_color": -1.0}, 3, "pca_color is -1.0; give a standard deviation, 0 for none"),
        ({"pca_color": float("inf")}, 3, "pca_color is inf"),
        ({"pca_color": float("nan")}, 1, "pca_color is nan"),
        ({"pca_color": 0.1}, 1, "pca_color is 0.1, but grey images have no colours; give 0"),
    ],
)
def test_what_no_image_can_satisfy_is_named(options, channels, message):
    with pytest.raises(OptionError, match=message) as error:
        Crops(**{"crop_size": 8, **options}).check(8, 8, channels)
    assert error.value.exit_code == 2


def test_what_fits_passes():
    Crops(crop_size=8, padding=4, pca_color=0.1).check(8, 8, 3)
    Crops(crop_size=1, redraw=False).check(8, 8, 1)
