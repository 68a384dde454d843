import dataclasses
from pathlib import Path

import numpy as np
import pytest

from datasets.errors import OptionError
from datasets.options.fields import changed
from datasets.options.loading import Crops, DecodeOptions, LoadOptions, SplitOptions


def test_every_option_is_declared_once_and_explained():
    parts = [dataclasses.fields(part) for part in (DecodeOptions, Crops, SplitOptions)]
    names = [field.name for fields in parts for field in fields]
    assert len(names) == len(set(names))
    assert set(names) == {field.name for field in dataclasses.fields(LoadOptions)}
    assert all(field.metadata["help"] for fields in parts for field in fields)


def test_crops_are_as_checkpoints_hold_them():
    options = LoadOptions(image_size=64, crop_size=np.int64(56), pca_color=1)
    expected = {"crop_size": 56, "reflect": True, "padding": 0, "pca_color": 1.0, "redraw": True}
    assert dataclasses.asdict(options.crops).items() >= expected.items()
    assert type(options.crops) is Crops


@pytest.mark.parametrize("size", ["96x128", [96, 128], (96, 128), np.array([96, 128])])
def test_a_size_is_a_side_or_height_and_width(size):
    options = LoadOptions(image_size=size, crop_size="64x64")
    assert (options.image_size, options.crop_size) == ((96, 128), 64)
    assert (options.image_sides, options.crops.crop_sides) == ((96, 128), (64, 64))


def test_a_path_becomes_text():
    assert LoadOptions(cache_dir=Path("kept")).cache_dir == "kept"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "image_size is 0; it must be a positive number"),
        ({"channels": 4}, "channels is 4; it must be one of 3, 1|channels is 4; it must be one of 1, 3"),
        ({"max_bad_fraction": 1.5}, "max_bad_fraction is 1.5; it must be within 0 to 1"),
        ({"max_bad_fraction": float("nan")}, "max_bad_fraction is nan"),
        ({"crop_size": 0}, "crop_size is 0; it must be a positive number"),
        ({"crop_size": 257}, "crop_size is 257; it must be at most image_size, 256"),
        ({"image_size": "0x8"}, r"image_size is \(0, 8\); it must be a positive number of pixels, or HxW"),
        (
            {"image_size": "8x8x3"},
            "image_size is '8x8x3'; it must be a whole number, or height and width, as in",
        ),
        ({"image_size": [8]}, r"image_size is \[8\]; it must be a whole number, or height and width"),
        ({"image_size": [8, 2.5]}, "image_size is 2.5; it must be a whole number"),
        ({"image_size": True}, "image_size is True; it must be a whole number, or height and width"),
        ({"crop_size": "64x257"}, r"crop_size is \(64, 257\); it must be at most image_size, 256"),
        ({"crop_size": [9, 300], "padding": 9}, "padding is 9; it must be below crop_size"),
        ({"resize": "stretch"}, "resize is 'stretch'; it must be one of squash, crop, letterbox"),
        ({"padding": -1}, "padding is -1; it must be zero or a positive number"),
        ({"padding": 227}, "padding is 227; it must be below crop_size, or crops miss the image"),
        ({"crop_scale": [0.5]}, r"crop_scale is \(0.5,\); it must be the smallest and the largest share"),
        ({"crop_scale": [0.5, 0.1]}, "crop_scale is"),
        ({"crop_scale": [0, 1]}, "crop_scale is"),
        ({"crop_scale": [0.1, float("nan")]}, "crop_scale is"),
        ({"crop_scale": 0.5}, "crop_scale is 0.5; it must be a list"),
        (
            {"crop_scale": [0.1, 1], "padding": 4},
            "padding is 4; it must be 0 with crop_scale, whose crops lie",
        ),
        ({"crop_aspect": 0.9}, "crop_aspect is 0.9; it must be at least 1"),
        ({"color_jitter": 1.5}, "color_jitter is 1.5; it must be within 0 to 1"),
        ({"pca_color": -1.0}, "pca_color is -1.0; it must be zero or a positive number"),
        ({"pca_color": float("inf")}, "pca_color is inf"),
        ({"pca_color": float("nan")}, "pca_color is nan"),
        ({"pca_color": 0.1, "channels": 1}, "pca_color is 0.1; it must be 0 for grey images"),
        ({"reflect": 1}, "reflect is 1; it must be true or false"),
        ({"val_fraction": -0.1}, "val_fraction is -0.1; it must be a fraction: at least 0 and below 1"),
        ({"test_fraction": 1.0}, "test_fraction is 1.0; it must be a fraction"),
        ({"test_fraction": float("nan")}, "test_fraction is nan; it must be a fraction"),
        ({"sample_size": 0}, "sample_size is 0; it must be a positive number"),
        ({"crop": 8}, "there is no option 'crop'; did you mean 'crop_size'?"),
    ],
)
def test_options_that_no_images_can_satisfy_are_named(options, message):
    with pytest.raises(OptionError, match=message.replace("?", r"\?")) as error:
        changed(LoadOptions(), options)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("options", "channels", "message"),
    [
        (
            {"crop_size": 9},
            3,
            "crop_size is 9; it must be at most 8 for images of 8x8 pixels with a padding of 0",
        ),
        ({"crop_size": (4, 9)}, 3, r"crop_size is \(4, 9\); it must be at most 8x8 for images of 8x8 pixels"),
        ({"crop_size": 11, "padding": 1}, 3, "at most 10 for images of 8x8 pixels with a padding of 1"),
        (
            {"crop_size": 8, "color_jitter": 0.1},
            4,
            "color_jitter is 0.1; it must be 0 unless there are 1 or 3",
        ),
        ({"crop_size": 8, "pca_color": 0.1}, 1, "pca_color is 0.1; it must be 0 for grey images"),
    ],
)
def test_crops_that_images_cannot_satisfy_are_refused(options, channels, message):
    with pytest.raises(OptionError, match=message):
        Crops(**options).check_images(8, 8, channels)


def test_what_fits_passes():
    Crops(crop_size=8, padding=4, pca_color=0.1).check_images(8, 8, 3)
    Crops(crop_size=10, padding=1, redraw=False).check_images(8, 8, 1)
