import numpy as np
import pytest

from datasets.digits import load_digits_splits
from datasets.errors import OptionError


def test_digits_are_split_labelled_and_never_mirrored():
    splits = load_digits_splits()
    sizes = [part.num_examples for part in (splits.train, splits.val, splits.test)]
    assert sizes == [1150, 288, 359]
    assert splits.class_names == tuple("0123456789")
    assert splits.train.images.shape[1:] == (32, 32, 1)
    assert splits.train.images.dtype == splits.train.labels.dtype == np.uint8
    assert splits.train.images.max() == 255
    assert not splits.train.crops.reflect
    assert splits.train.next_batch(4)[0].shape == (4, 28, 28, 1)
    names = [set(part.file_names) for part in (splits.train, splits.val, splits.test)]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_size": 33}, "crop_size is 33"),
        ({"padding": -1}, "padding is -1"),
        ({"channels": 3}, "are grey; give 1"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        load_digits_splits(**options)


def test_enlarging_keeps_the_picture():
    from sklearn.datasets import load_digits

    splits = load_digits_splits(val_fraction=0, test_fraction=0, image_size=8, crop_size=8)
    assert splits.val is splits.test is None
    original = load_digits()
    expected = np.round(original.images * 255 / 16)[..., None]
    np.testing.assert_array_equal(np.asarray(splits.train.images), expected)
    np.testing.assert_array_equal(splits.train.labels.argmax(axis=1), original.target)


def test_the_fingerprint_tells_sizes_and_seeds_apart():
    prints = [load_digits_splits(image_size=32, seed=seed).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
