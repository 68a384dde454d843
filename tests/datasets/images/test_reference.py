"""The decoder's resize and grey against scikit-image, which computes both in its own way."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.data import astronaut
from skimage.transform import resize

from datasets.images.decode import read_image, resize_image


@pytest.fixture(scope="module")
def photograph():
    return astronaut()[:256, 100:356]  # (256, 256, 3), a face


def test_grey_is_the_luma_of_itu_r_601(photograph):
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "PNG")
    luma = (rgb2ycbcr(photograph)[..., :1] - 16) / 219 * 255  # it gives the range of video, 16 to 235
    np.testing.assert_allclose(read_image(file.getvalue(), channels=1), luma, atol=1)


@pytest.mark.parametrize("size", [(512, 512), (300, 700)])
def test_enlarging_is_bilinear_between_the_centres_of_pixels(photograph, size):
    expected = resize(photograph, size, order=1, mode="edge", anti_aliasing=False, preserve_range=True)
    np.testing.assert_allclose(resize_image(photograph, *size), expected, atol=1)


@pytest.mark.parametrize("size", [(128, 128), (64, 100), (32, 32)])
def test_shrinking_is_antialiased(photograph, size):
    expected = resize(photograph, size, order=1, anti_aliasing=True, preserve_range=True)
    aliased = resize(photograph, size, order=1, anti_aliasing=False, preserve_range=True)
    found = resize_image(photograph, *size).astype(float)
    assert np.abs(found - expected).mean() < 2.5  # another filter, of the same width
    assert np.abs(found - expected).mean() < 0.6 * np.abs(found - aliased).mean()
