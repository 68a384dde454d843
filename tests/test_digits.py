import numpy as np

from datasets.digits import load_digits_splits


def test_digits_are_split_labelled_and_never_mirrored():
    splits = load_digits_splits()
    sizes = [part.num_examples for part in (splits.train, splits.val, splits.test)]
    assert sizes == [1150, 288, 359]
    assert splits.class_names == tuple("0123456789")
    assert splits.train.images.shape[1:] == (32, 32, 1)
    assert splits.train.images.dtype == splits.train.labels.dtype == np.uint8
    assert splits.train.images.max() == 255
    assert not splits.train.reflect
    assert splits.train.next_batch(4)[0].shape == (4, 28, 28, 1)
    names = [set(part.file_names) for part in (splits.train, splits.val, splits.test)]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])


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
