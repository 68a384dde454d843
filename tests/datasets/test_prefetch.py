import threading

import numpy as np
import pytest

from datasets.dataset import DataSet
from datasets.prefetch import Prefetcher


def make_set():
    images = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), dtype=np.uint8)
    return DataSet(images, np.arange(10), crop_size=4)


def test_batches_and_cursors_are_those_of_drawing_one_by_one():
    direct = make_set()
    with Prefetcher(make_set(), 4, depth=3) as batches:
        for _ in range(7):
            images, labels, cursor = next(batches)
            expected_images, expected_labels = direct.next_batch(4)
            np.testing.assert_array_equal(images, expected_images)
            np.testing.assert_array_equal(labels, expected_labels)
            assert cursor == direct.cursor


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_after_close_the_set_stands_where_the_consumer_stopped(taken):
    dataset, direct = make_set(), make_set()
    dataset.next_batch(3)
    direct.next_batch(3)
    with Prefetcher(dataset, 4, depth=5) as batches:
        for _ in range(taken):
            next(batches)
            direct.next_batch(4)
    assert dataset.cursor == direct.cursor
    np.testing.assert_array_equal(dataset.next_batch(4)[0], direct.next_batch(4)[0])


def test_close_ends_the_thread_although_nobody_takes_its_batches():
    before = set(threading.enumerate())
    batches = Prefetcher(make_set(), 4, depth=1)
    next(batches)
    batches.close()
    batches.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(StopIteration):
        next(batches)


def test_options_reach_the_data_set():
    with Prefetcher(make_set(), 4, shuffle=False, augment=False) as batches:
        images, labels, _ = next(batches)
    np.testing.assert_array_equal(images, make_set().batch([0, 1, 2, 3])[0])
    assert labels.tolist() == [0, 1, 2, 3]


def test_what_goes_wrong_on_the_thread_is_raised_in_the_consumer_after_the_good_batches():
    class Failing(DataSet):
        def next_batch(self, *args, **options):
            if self.cursor["index_in_epoch"] >= 4:
                raise OSError("the disk is gone")
            return super().next_batch(*args, **options)

    dataset = Failing(make_set().images, np.arange(10), crop_size=4)
    with Prefetcher(dataset, 4) as batches:
        next(batches)
        for _ in range(2):
            with pytest.raises(OSError, match="the disk is gone"):
                next(batches)
    assert dataset.cursor["index_in_epoch"] == 4


def test_nothing_to_draw_ahead_is_refused():
    with pytest.raises(ValueError, match="depth is 0"):
        Prefetcher(make_set(), 4, depth=0)
