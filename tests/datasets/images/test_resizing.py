import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage.data import astronaut
from skimage.transform import resize

from datasets.images.resizing import GREY, resize_image


@pytest.fixture(scope="module")
def photograph():
    return astronaut()[:256, 100:356]  # (256, 256, 3), a face


def test_resize_is_antialiased_and_ignores_the_aspect():
    stripes = np.zeros((4, 400, 1), np.uint8)
    stripes[:, ::2] = 254
    small = resize_image(stripes, 8, 100)
    assert small.shape == (8, 100, 1)
    assert abs(int(small[4, 50, 0]) - 127) <= 3


# Against scikit-image, which computes it in its own way.
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


WIDE, HIGH = (40, 100), (100, 40)
BILINEAR = Image.Resampling.BILINEAR


# Against Pillow's own functions for the same purposes.
@pytest.mark.parametrize("target", [(32, 32), (20, 50), (30, 20), (120, 200)])
@pytest.mark.parametrize("source", [WIDE, HIGH, (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_cropped_images_are_those_of_pillow(photograph, source, target, channels):
    image = photograph[: source[0], : source[1], :channels]
    expected = ImageOps.fit(Image.fromarray(image.squeeze()), target[::-1], BILINEAR)
    difference = resize_image(image, *target, fit="crop").squeeze() - np.asarray(expected, np.int16)
    assert np.abs(difference).max() <= 1  # the region's edges may be rounded in another way


# In these the same number of rows or columns is grey on both sides.
@pytest.mark.parametrize(
    ("source", "target"), [(WIDE, (40, 50)), (WIDE, (30, 20)), (HIGH, (20, 30)), (HIGH, (150, 100))]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_letterboxed_images_are_those_of_pillow(photograph, source, target, channels):
    image = photograph[: source[0], : source[1], :channels]
    picture = Image.fromarray(image.squeeze())
    expected = ImageOps.pad(picture, target[::-1], BILINEAR, color=(GREY,) * channels)
    np.testing.assert_array_equal(resize_image(image, *target, "letterbox").squeeze(), np.asarray(expected))


@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
def test_images_of_the_targets_aspect_are_resized_alike(photograph, fit):
    expected = resize_image(photograph[:120, :200], 60, 100)
    np.testing.assert_array_equal(resize_image(photograph[:120, :200], 60, 100, fit), expected)


def test_a_crop_keeps_the_middle_and_a_letterbox_everything():
    image = np.zeros((4, 12, 3), np.uint8)
    image[:, 4:8] = 200  # the middle third
    assert (resize_image(image, 4, 4, "crop")[:, 1:3] == 200).all()
    boxed = resize_image(image, 12, 12, "letterbox")
    np.testing.assert_array_equal(boxed[4:8], image)
    assert (boxed[:4] == GREY).all()
    assert (boxed[8:] == GREY).all()


def test_a_line_of_pixels_stays_visible_in_a_letterbox():
    assert (resize_image(np.zeros((1, 900, 1), np.uint8), 8, 8, "letterbox") == 0).any(axis=1).sum() == 1


def test_floats_are_boxed_in_the_same_grey():
    image = np.ones((4, 8, 2), np.float64)
    boxed = resize_image(image, 8, 8, "letterbox")
    assert boxed.dtype == np.float64
    np.testing.assert_allclose(boxed[0], GREY / 255, rtol=1e-6)
    np.testing.assert_allclose(boxed[4], 1.0)
