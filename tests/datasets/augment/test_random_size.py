import numpy as np
import pytest
from PIL import Image

from datasets.augment.random_size import SizedWindows, crop_resize, draw_sized_windows
from datasets.images.array_rows import ImageRows
from datasets.options.loading import Crops

NUM = 20_000


def drawn(height, width, seed=0, num_images=NUM, **options):
    options = {"crop_size": 8, "crop_scale": (0.08, 1.0), **options}
    return draw_sized_windows(np.random.default_rng(seed), num_images, height, width, Crops(**options))


def windows(*rows):
    tops, lefts, heights, widths, flips = map(np.array, zip(*rows, strict=True))
    return SizedWindows(tops, lefts, heights, widths, flips.astype(bool))


def noise(num_images=3, height=30, width=40, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num_images, height, width, channels), dtype=np.uint8)


def test_the_share_of_the_area_is_uniform():
    found = drawn(1000, 1000)
    shares = found.heights * found.widths / 1000**2
    # Quantiles of 20,000 draws from a uniform distribution; each is within 0.01 of its own by six standard errors.
    expected = 0.08 + 0.92 * np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(np.quantile(shares, [0.0, 0.25, 0.5, 0.75, 1.0]), expected, atol=0.02)


def test_the_aspect_is_log_uniform():
    found = drawn(1000, 1000, crop_scale=(0.3, 0.5))  # windows of every aspect fit
    logs = np.log(found.widths / found.heights) / np.log(4 / 3)
    np.testing.assert_allclose(np.quantile(logs, [0, 0.25, 0.5, 0.75, 1]), [-1, -0.5, 0, 0.5, 1], atol=0.03)


def test_windows_lie_within_images_of_any_shape():
    for height, width in ((1, 1), (7, 5), (10, 100), (100, 10), (64, 64)):
        found = drawn(height, width, num_images=2000)
        assert found.heights.min() >= 1
        assert found.widths.min() >= 1
        assert found.tops.min() == 0
        assert (found.tops + found.heights).max() == height
        assert (found.lefts + found.widths).max() == width


def test_a_whole_image_is_the_only_window_of_share_one():
    found = drawn(48, 64, crop_scale=(1.0, 1.0), num_images=50)
    assert set(found.heights.tolist()) == {48}
    assert set(found.widths.tolist()) == {64}


def test_an_image_that_no_drawn_aspect_fits_keeps_the_share():
    found = drawn(100, 400, crop_scale=(0.8, 0.8), num_images=50)  # at most 133 wide with an aspect of 4/3
    assert set(found.heights.tolist()) == {100}
    assert set(found.widths.tolist()) == {320}


def test_without_stretching_the_window_has_the_shape_of_the_crop():
    found = drawn(500, 500, crop_aspect=1.0, num_images=200)
    np.testing.assert_array_equal(found.heights, found.widths)


def test_half_of_the_windows_are_mirrored_unless_images_have_a_reading_direction():
    assert abs(drawn(64, 64).flips.mean() - 0.5) < 0.02
    assert not drawn(64, 64, reflect=False).flips.any()


def test_windows_depend_on_the_seed_alone():
    for first, again, other in zip(drawn(64, 64), drawn(64, 64), drawn(64, 64, seed=1), strict=True):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


WINDOWS = windows((0, 0, 30, 40, 0), (5, 7, 20, 13, 1), (29, 39, 1, 1, 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_crops_are_those_of_pillow(channels):
    images = noise(channels=channels)
    crops = crop_resize(images, np.array([2, 0, 1]), WINDOWS, (8, 12))
    assert crops.shape == (3, 8, 12, channels)
    assert crops.dtype == np.uint8
    for crop, index, top, left, height, width, flip in zip(crops, (2, 0, 1), *WINDOWS, strict=True):
        picture = Image.fromarray(images[index].squeeze()).crop((left, top, left + width, top + height))
        picture = picture.resize((12, 8), Image.Resampling.BILINEAR)
        expected = np.asarray(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else picture)
        np.testing.assert_array_equal(crop, expected.reshape(crop.shape))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_dtype_and_are_not_rounded(dtype):
    images = noise(channels=4)
    crops = crop_resize((images / 255).astype(dtype), np.arange(3), WINDOWS, (8, 12))
    assert crops.dtype == dtype
    of_bytes = crop_resize(images, np.arange(3), WINDOWS, (8, 12))
    np.testing.assert_allclose(crops * 255.0, of_bytes, atol=1.0)


def test_rows_and_memory_maps_give_the_same(tmp_path):
    images = noise()
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    expected = crop_resize(images, np.arange(3), WINDOWS, (8, 8))
    np.testing.assert_array_equal(crop_resize(mapped, np.arange(3), WINDOWS, (8, 8)), expected)
    rows = ImageRows(images[::-1], np.array([2, 1, 0]))
    np.testing.assert_array_equal(crop_resize(rows, np.arange(3), WINDOWS, (8, 8)), expected)
