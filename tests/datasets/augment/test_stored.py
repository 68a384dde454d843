"""datasets/augment/stored.py: batches of what was computed from the crops follow the crops that they stand for."""

import numpy as np
import pytest

from datasets.dataset import DataSet

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(7) % 2


def made(**options):
    return DataSet(IMAGES, LABELS, **{"crop_size": 6, "seed": 3, **options})


def computed(crops):
    """Something that tells any two crops apart: (..., h, w, C) -> (..., 2)."""
    weights = np.arange(np.prod(crops.shape[-3:])).reshape(crops.shape[-3:])
    return np.stack([(crops * weights).sum(axis=(-3, -2, -1)), crops[..., 0, 0, 0]], axis=-1).astype(
        np.float64
    )


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({}, 2),
        ({"reflect": False}, 1),
        ({"order": "balanced"}, 2),
        ({"crop_size": 4, "redraw": False}, 1),
        ({"color_jitter": 0.2, "redraw": False}, 1),
        ({"crop_size": 4}, None),
        ({"color_jitter": 0.2}, None),
        ({"padding": 1}, None),
        ({"crop_scale": (0.5, 1.0)}, None),
        ({"order": "balanced", "redraw": False, "crop_size": 4}, None),
    ],
)
def test_how_many_crops_an_image_can_have(options, number):
    assert made(**options).num_variants == number


@pytest.mark.parametrize(
    "options",
    [{}, {"reflect": False}, {"order": "balanced"}, {"crop_size": 4, "redraw": False, "color_jitter": 0.3}],
)
def test_training_batches_are_those_of_the_crops(options):
    images = made(**options)
    stored = made(**options)
    stored = stored.with_stored(variants=computed(stored.variants(np.arange(7))))
    for _ in range(6):  # two epochs, with batches that straddle them
        crops, labels = images.next_batch(3)
        values, same_labels = stored.next_batch(3)
        np.testing.assert_array_equal(values, computed(crops))
        np.testing.assert_array_equal(labels, same_labels)
    assert images.cursor == stored.cursor


def test_centre_crops_and_the_crops_of_a_test():
    images = made(crop_size=4)
    everything = np.arange(7)
    center, fixed = (computed(images.batch(everything, augment=augment)[0]) for augment in (False, True))
    stored = images.with_stored(center=center, fixed=fixed)
    assert (stored.num_crops, stored.crop_shape) == (10, (4, 4, 3))
    np.testing.assert_array_equal(stored.batch([5, 2])[0], center[[5, 2]])
    np.testing.assert_array_equal(stored.batch([1], augment=True)[0], fixed[[1]])


def test_crops_that_nothing_was_computed_of():
    stored = made().with_stored(center=np.zeros((7, 2)))
    with pytest.raises(ValueError, match="no values are stored for the variants crops"):
        stored.next_batch(2)
