import numpy as np
import pytest

from datasets.augment.color import color_components, shift_colors
from datasets.images.array_rows import ImageRows


def colored(num_images=20, side=6, seed=0):
    """Return pixels with correlated channels, so that the three components differ."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(num_images, side, side, 3)) @ [[40, 30, 20], [0, 15, -10], [3, 0, 5]]
    return np.clip(mixed + 128, 0, 255).astype(np.uint8)


def test_components_times_their_lengths_are_those_of_the_covariance():
    images = colored()
    scaled = color_components(images)  # a row: eigenvalue times a vector of length 1
    covariance = np.cov(images.reshape(-1, 3).T / 255, bias=True)
    eigenvalues = np.linalg.norm(scaled, axis=1)
    np.testing.assert_allclose(np.sort(eigenvalues), np.linalg.eigvalsh(covariance), rtol=1e-9)
    for row, eigenvalue in zip(scaled, eigenvalues, strict=True):
        np.testing.assert_allclose(covariance @ row, eigenvalue * row, atol=1e-12)
    np.testing.assert_allclose(scaled @ scaled.T, np.diag(eigenvalues**2), atol=1e-12)


def test_a_set_worked_out_by_hand():
    images = np.zeros((2, 1, 1, 3), np.uint8)
    images[1] = [0, 255, 0]  # green is 0 or 1, so its variance is 1/4; the others never change
    scaled = color_components(images)
    np.testing.assert_allclose(np.abs(scaled).sum(axis=0), [0, 0.25, 0], atol=1e-12)


def test_bytes_floats_and_rows_give_the_same():
    images = colored(700)
    expected = color_components(images)
    np.testing.assert_allclose(np.abs(color_components(images / 255)), np.abs(expected), atol=1e-12)
    base = np.concatenate([np.zeros_like(images), images])
    np.testing.assert_array_equal(color_components(ImageRows(base, np.arange(700, 1400))), expected)


def test_of_a_large_set_a_thousand_images_are_looked_at():
    images = colored(2998, side=1)
    rows = np.linspace(0, 2997, 1000).astype(int)
    np.testing.assert_array_equal(color_components(images), color_components(images[rows]))


def test_bytes_are_rounded_and_cut():
    images = np.array([0, 100, 250], np.uint8).reshape(1, 3, 1, 1).repeat(3, axis=3)
    shifted = shift_colors(images, np.array([[10 / 255, -0.4, 0.6 / 255]]))
    assert shifted.dtype == np.uint8
    assert shifted[0, :, 0].tolist() == [[10, 0, 1], [110, 0, 101], [255, 148, 251]]
    assert images[0, 0, 0].tolist() == [0, 0, 0]


def test_every_level_is_what_arithmetic_makes_of_it():
    images = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (5, 1, 1, 3))
    shifts = np.random.default_rng(0).normal(0, 0.3, (5, 3))
    expected = np.clip(np.round(images + 255 * shifts[:, None, None]), 0, 255)
    np.testing.assert_array_equal(shift_colors(images, shifts), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_dtype_and_are_not_cut(dtype):
    images = np.full((2, 1, 2, 3), 0.9, dtype)
    shifted = shift_colors(images, np.array([[0.5, 0, -1], [0, 0, 0]]))
    assert shifted.dtype == dtype
    np.testing.assert_allclose(shifted[0, 0, 0], [1.4, 0.9, -0.1], rtol=1e-6)
    np.testing.assert_array_equal(shifted[1], images[1])
