import tracemalloc

import numpy as np
import pytest

from datasets.dataset import DataSet
from datasets.images.array_rows import ImageRows

IMAGES = np.zeros((4, 2, 2, 1), np.uint8)


@pytest.fixture
def peak():
    """Yield a function that returns the most memory in use since its first call, in bytes."""

    def bytes_in_use():
        if not tracemalloc.is_tracing():
            tracemalloc.start()
        return tracemalloc.get_traced_memory()[1]

    try:
        yield bytes_in_use
    finally:
        tracemalloc.stop()


@pytest.mark.fault(44)
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([0, 2, 1, 0], [0, 2, 1, 0]),
        (np.array([[0], [2], [1], [0]]), [0, 2, 1, 0]),
        (np.array([0, 2, 1, 0], np.float32), [0, 2, 1, 0]),
        (np.array([[0.0], [2.0], [1.0], [0.0]]), [0, 2, 1, 0]),
        ([True, False, True, True], [1, 0, 1, 1]),
        (np.array([[True, False]] * 4), [[1, 0]] * 4),
        ([[0, 1], [1, 0], [1, 0], [0, 1]], [[0, 1], [1, 0], [1, 0], [0, 1]]),
        ([[0.9, 0.1], [0.5, 0.5], [0, 1], [1, 0]], [[0.9, 0.1], [0.5, 0.5], [0, 1], [1, 0]]),
    ],
)
def test_labels_that_can_be_meant_are_converted(given, kept):
    labels = DataSet(IMAGES, given).labels
    assert labels.tolist() == kept
    assert labels.ndim == 2 or labels.dtype.kind in "iu"


@pytest.mark.fault(44)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, -1, -2], "label 2 is -1; class numbers are whole and start at 0"),
        ([0, 1.5, 1, 0], "label 1 is 1.5; class numbers"),
        ([0, 1, 1, np.nan], "label 3 is nan; class numbers"),
        ([0, 1, 1, np.inf], "label 3 is inf"),
        ([[1], [0], [-1], [0]], "label 2 is -1"),
        ([[1, 0], [1, 1], [0, 1], [0, 1]], r"label 1 is \[1, 1\]; a row is one-hot"),
        (
            [[1, 0], [0, 1], [0, 0], [0, 1]],
            r"label 2 is \[0, 0\]; .* or labels=None for a set without labels",
        ),
        ([[1, 0], [2, -1], [0, 1], [0, 1]], r"label 1 is \[2, -1\]"),
        ([[0.5, 0.5], [0.6, 0.5], [0, 1], [0, 1]], r"label 1 is \[0.6, 0.5\].* sum to 1"),
        ([[np.nan, 1], [1, 0], [0, 1], [0, 1]], r"label 0 is \[nan, 1\]"),
        (["cat", "dog", "cat", "dog"], r"labels of dtype <U3 and shape \(4,\); give class numbers"),
        (np.zeros((4, 2, 2)), r"shape \(4, 2, 2\); give class numbers"),
        ([None, 1, 0, 1], "labels of dtype object"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused_and_the_first_is_named(labels, message):
    with pytest.raises(ValueError, match=message):
        DataSet(IMAGES, labels)


@pytest.mark.fault(44)
def test_a_bad_row_behind_many_good_ones_is_found_without_a_copy_of_all(tmp_path, peak):
    labels = np.zeros((300_000, 100), np.uint8)
    labels[:, 0] = 1
    labels[-1, 1] = 1
    np.save(tmp_path / "labels.npy", labels)
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    images = np.broadcast_to(IMAGES[:1], (300_000, 2, 2, 1))
    peak()
    with pytest.raises(ValueError, match="label 299999 is "):
        DataSet(images, mapped)
    assert peak() < mapped.nbytes


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (255.0, r"image 2 has pixels from 0 to 255; .* divide by 255, or give uint8"),
        (1.05, r"image 2 has pixels from 0 to 1.05; .* clip to \[0, 1\], as resizing overshoots$"),
        (1.6, "image 2 has pixels from 0 to 1.6; .* divide by 255"),
        (4096.0, "image 2 has pixels from 0 to 4096; .* by the largest value"),
        (-0.25, r"image 2 has pixels from -0.25 to 0; .* clip to \[0, 1\], .* or leave the mean in"),
        (-0.75, "image 2 has pixels from -0.75 to 0; .* leave the mean in"),
        (np.nan, "image 2 has a pixel that is NaN or infinite; repair it or leave it out"),
        (np.inf, "image 2 has a pixel that is NaN or infinite"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_outside_zero_to_one_are_refused_and_the_first_image_is_named(value, message, dtype):
    images = np.zeros((4, 2, 2, 3), dtype)
    images[2:, 1, 0, 1] = value
    with pytest.raises(ValueError, match=message):
        DataSet(images)
    with pytest.raises(ValueError, match="image 1 has"):
        DataSet(ImageRows(images, [0, 3, 2]))


@pytest.mark.fault(45)
def test_what_resizing_adds_to_a_float_is_put_up_with():
    images = np.array([-1e-4, 1 + 1e-4], np.float32).reshape(1, 1, 2, 1)
    assert DataSet(images, crop_size=1).num_examples == 1


@pytest.mark.fault(45)
def test_many_floats_are_looked_at_in_parts_and_a_subset_not_again(tmp_path, monkeypatch, peak):
    np.save(tmp_path / "images.npy", np.zeros((3000, 64, 64, 1), np.float32))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    peak()
    dataset = DataSet(images)
    assert peak() < images.nbytes / 2

    def refuse(*args):
        raise AssertionError("looked at again")

    monkeypatch.setattr("datasets.dataset.check_pixels", refuse)
    monkeypatch.setattr("datasets.dataset.checked_labels", refuse)
    assert dataset.subset([2, 5]).num_examples == 2
