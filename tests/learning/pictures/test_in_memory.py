"""learning/pictures/in_memory.py: pictures are read again as they were made."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from learning.pictures.in_memory import data_uri, heat_map, png


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_png_has_the_pixels(channels, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, channels), np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as picture:
        assert (picture.format, picture.mode) == ("PNG", mode)
        np.testing.assert_array_equal(np.asarray(picture).reshape(2, 3, channels), pixels)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_data_uri_says_its_kind(kind):
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, kind)
    start, _, content = data_uri(file.getvalue()).partition(",")
    assert start == f"data:image/{kind};base64"
    assert base64.b64decode(content) == file.getvalue()


def test_other_bytes_are_no_picture():
    with pytest.raises(ValueError, match="neither PNG nor JPEG"):
        data_uri(b"<svg>")


def test_larger_shares_are_less_transparent():
    pixels = heat_map(np.array([[1.0, 0.25], [0.0, 0.01]]))
    assert (pixels[..., :3] == pixels[0, 0, :3]).all()
    assert pixels[..., 3].tolist() == [[255, 153], [0, 71]]  # 255 * (0.2 + 0.8 * the root)
