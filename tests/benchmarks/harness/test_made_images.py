"""benchmarks/harness/made_images.py: images for measurements."""

import numpy as np

from benchmarks.harness import made_images


def test_made_images_lie_on_disk(tmp_path):
    made_images.write_noise(tmp_path / "images.npy", 600, 4, seed=0)
    train = made_images.open_splits(tmp_path / "images.npy", 3, 4).train
    assert isinstance(train.images, np.memmap)
    np.testing.assert_array_equal(train.images[:88], train.images[512:])
    assert train.images[:256].std() > 50
    np.testing.assert_array_equal(train.labels.sum(axis=0), [200, 200, 200])


def test_the_first_of_the_images(tmp_path):
    made_images.write_blank(tmp_path / "images.npy", 600, 4)
    train = made_images.open_splits(tmp_path / "images.npy", 3, 4, num_images=9).train
    assert isinstance(train.images, np.memmap)
    assert train.num_examples == 9
