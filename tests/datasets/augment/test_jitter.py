import numpy as np
import pytest
from PIL import Image, ImageEnhance

from datasets.augment.jitter import vary_colors


def noise(channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (2, 12, 15, channels), dtype=np.uint8)


def test_a_pixel_worked_out_by_hand():
    images = np.array([[[[0.2, 0.4, 0.6], [0.4, 0.4, 0.4]]]])  # luminances 0.363 and 0.4, their mean 0.3815
    np.testing.assert_allclose(vary_colors(images, np.array([[1.5, 1, 1]])), images * 1.5)
    np.testing.assert_allclose(vary_colors(images, np.array([[1, 0, 1]])), np.full((1, 1, 2, 3), 0.3815))
    contrast = vary_colors(images, np.array([[1, 2, 1]]))
    np.testing.assert_allclose(contrast[0, 0, 1], 2 * 0.4 - 0.3815)
    saturation = vary_colors(images, np.array([[1, 1, 0.5]]))
    np.testing.assert_allclose(saturation[0, 0, 0], 0.5 * (images[0, 0, 0] + 0.363))
    np.testing.assert_allclose(saturation[0, 0, 1], 0.4)


# Pillow rounds luminances and the mean to whole levels before it blends them.
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
@pytest.mark.parametrize("number", range(3))
def test_each_factor_is_that_of_pillow(number, factor):
    enhance = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[number]
    factors = np.ones((2, 3))
    factors[1, number] = factor
    images = noise()
    first, second = vary_colors(images, factors)
    np.testing.assert_array_equal(first, images[0])
    expected = np.asarray(enhance(Image.fromarray(images[1])).enhance(factor))
    np.testing.assert_allclose(second.astype(int), expected, atol=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_are_the_rounded_and_clipped_floats(channels):
    images = noise(channels)
    factors = np.array([[1.4, 1.3, 0.6], [0.7, 1.4, 1.4]])
    varied, floats = vary_colors(images, factors), vary_colors(images / 255.0, factors)
    assert varied.dtype == np.uint8
    assert floats.min() < 0  # not clipped
    np.testing.assert_allclose(varied, np.clip(255 * floats, 0, 255), atol=0.501)


def test_the_three_follow_each_other():
    images = noise() / 255.0
    one_by_one = images
    for number, factor in enumerate((1.2, 0.7, 1.3)):
        factors = np.ones((2, 3))
        factors[:, number] = factor
        one_by_one = vary_colors(one_by_one, factors)
    np.testing.assert_allclose(vary_colors(images, np.array([[1.2, 0.7, 1.3]] * 2)), one_by_one)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_floats_keep_their_dtype(dtype):
    assert vary_colors((noise() / 255).astype(dtype), np.ones((2, 3))).dtype == dtype


def test_grey_images_have_no_saturation():
    images = noise(1)
    np.testing.assert_array_equal(vary_colors(images, np.array([[1, 1, 0.2], [1, 1, 1.8]])), images)
