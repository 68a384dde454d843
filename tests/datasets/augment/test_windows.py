import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.augment import windows


def numbered(num_images=2, height=4, width=5, channels=3, dtype=np.uint8):
    """Return images in which all values differ, as far as the dtype allows."""
    size = num_images * height * width * channels
    return np.arange(size).reshape(num_images, height, width, channels).astype(dtype)


def test_random_crop_picks_every_offset_and_both_directions():
    image = numbered(1, 3, 3, 1)[0]
    images = np.repeat(image[None], 400, axis=0)
    crops = windows.random_crop_reflect(images, 2, rng=np.random.default_rng(0))
    seen = {tuple(crop.ravel()) for crop in crops}
    upright = {(0, 1, 3, 4), (1, 2, 4, 5), (3, 4, 6, 7), (4, 5, 7, 8)}
    mirrored = {(b, a, d, c) for a, b, c, d in upright}
    assert seen == upright | mirrored


def test_random_crop_of_the_whole_image_is_the_image():
    images = numbered(3, 4, 4)
    crops = windows.random_crop_reflect(images, 4, rng=np.random.default_rng(0), reflect=False)
    np.testing.assert_array_equal(crops, images)


def test_random_crop_without_reflection_never_mirrors():
    images = np.repeat(numbered(1, 2, 3, 1), 50, axis=0)
    crops = windows.random_crop_reflect(images, 2, rng=np.random.default_rng(1), reflect=False)
    assert {tuple(crop.ravel()) for crop in crops} == {(0, 1, 3, 4), (1, 2, 4, 5)}


@pytest.mark.parametrize("crop_l", [0, 5, 227])
def test_a_crop_that_does_not_fit_is_refused(crop_l):
    images = numbered(1, 4, 6)
    for crop in (windows.random_crop_reflect, windows.corner_center_crop_reflect, windows.center_crop):
        with pytest.raises(ValueError, match=f"crop of {crop_l} pixels does not fit into images of 4x6"):
            crop(images, crop_l)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_ten_crop_has_corners_then_centre_then_their_mirror_images(dtype):
    images = numbered(2, 5, 5, 3, dtype)
    crops = windows.corner_center_crop_reflect(images, 3)
    assert crops.shape == (2, 10, 3, 3, 3)
    assert crops.dtype == dtype
    expected = [images[:, t : t + 3, left : left + 3] for t, left in [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]]
    for k, crop in enumerate(expected):
        np.testing.assert_array_equal(crops[:, k], crop)
        np.testing.assert_array_equal(crops[:, 5 + k], crop[:, :, ::-1])


def test_ten_crop_without_reflection_has_five():
    images = numbered(2, 5, 5)
    five = windows.corner_center_crop_reflect(images, 3, reflect=False)
    np.testing.assert_array_equal(five, windows.corner_center_crop_reflect(images, 3)[:, :5])


def test_center_crop_of_the_usual_sizes_starts_at_14():
    images = np.zeros((1, 256, 256, 1), np.uint8)
    images[0, 14, 14] = 7
    assert windows.center_crop(images, 227)[0, 0, 0, 0] == 7


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    channels=st.integers(1, 4),
    padding=st.integers(0, 6),
    dtype=st.sampled_from([np.uint8, np.float32]),
    data=st.data(),
)
def test_crop_reflect_equals_padding_slicing_and_mirroring(seed, channels, padding, dtype, data):
    images = numbered(3, 4, 6, channels, dtype) + 1
    crop_l = data.draw(st.integers(1, 4 + 2 * padding))
    fill = np.arange(7, 7 + channels)
    frame = ((0, 0), (padding, padding), (padding, padding))
    padded = np.stack(
        [np.pad(images[..., c], frame, constant_values=fill[c]) for c in range(channels)], axis=-1
    )
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 3, size=5)
    tops, lefts, flips = windows.draw_crops(rng, 5, *padded.shape[1:3], crop_l, True)
    crops = windows.crop_reflect(images, indices, tops, lefts, flips, crop_l, padding=padding, fill=fill)
    for b in range(5):
        expected = padded[indices[b], tops[b] : tops[b] + crop_l, lefts[b] : lefts[b] + crop_l]
        np.testing.assert_array_equal(crops[b], expected[:, ::-1] if flips[b] else expected)


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (3, 0), (0, 5)])
def test_a_window_beyond_the_image_is_refused(top, left):
    with pytest.raises(ValueError, match="offsets of windows of 2 pixels must lie in"):
        windows.crop_reflect(numbered(1, 4, 6), [0], [top], [left], [False], 2)


def test_draw_crops_is_a_function_of_the_generator():
    first = windows.draw_crops(np.random.default_rng(3), 20, 9, 9, 4, True)
    second = windows.draw_crops(np.random.default_rng(3), 20, 9, 9, 4, True)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    unmirrored = windows.draw_crops(np.random.default_rng(3), 20, 9, 9, 4, False)
    np.testing.assert_array_equal(first[0], unmirrored[0])
    assert first[2].any()
    assert not unmirrored[2].any()
