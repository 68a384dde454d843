import numpy as np
import pytest

from datasets.dataset import DataSet
from datasets.errors import DataError, OptionError
from datasets.splits import make_splits, split_indices

NAMES = [f"{i:03d}.jpg" for i in range(100)]
LABELS = np.array([0] * 60 + [1] * 40)


def split(names=NAMES, labels=LABELS, *, val_fraction=0.2, test_fraction=0.2, seed=0):
    return split_indices(names, labels, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)


def test_parts_are_disjoint_complete_and_stratified():
    parts = split()
    assert sorted(np.concatenate(parts).tolist()) == list(range(100))
    assert [len(part) for part in parts] == [60, 20, 20]
    assert [int(LABELS[part].sum()) for part in parts] == [24, 8, 8]


def test_the_order_of_the_listing_is_no_matter():
    shuffled = np.random.default_rng(0).permutation(100)
    listed = [NAMES[i] for i in shuffled]
    for a, b in zip(split(), split(listed, LABELS[shuffled]), strict=True):
        assert [NAMES[i] for i in a] == [listed[i] for i in b]


def test_the_seed_decides():
    assert split(seed=1)[2].tolist() == split(seed=1)[2].tolist() != split(seed=2)[2].tolist()


def test_a_share_of_zero_is_an_empty_part():
    train, val, test = split(val_fraction=0.0, test_fraction=0.0)
    assert (train.tolist(), len(val), len(test)) == (list(range(100)), 0, 0)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 1], [0, 1, 2, 3, 4], [0, 0, 0, 1, 1]])
def test_a_class_too_small_for_every_part_is_an_error_with_the_counts(labels):
    with pytest.raises(DataError, match=r"too few images .*class 1: "):
        split(NAMES[:5], np.array(labels))


@pytest.mark.parametrize("fractions", [(-0.1, 0.2), (0.5, 0.5), (float("nan"), 0.1)])
def test_shares_that_leave_nothing_to_train_on_are_refused(fractions):
    with pytest.raises(OptionError, match="leave nothing to train on"):
        split(val_fraction=fractions[0], test_fraction=fractions[1])


def test_the_fingerprint_changes_with_the_split_and_the_content():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    whole = DataSet(images, np.eye(2)[[0, 1, 0, 1]], class_names=["a", "b"], file_names=NAMES[:4])
    rows = [np.array([0, 1]), np.array([], int), np.array([2, 3])]
    one = make_splits(whole, rows, content="x")
    assert one.val is None
    assert one.class_names == ("a", "b")
    assert one.fingerprint == make_splits(whole, rows, content="x").fingerprint
    assert one.fingerprint != make_splits(whole, rows, content="y").fingerprint
    assert one.fingerprint != make_splits(whole, rows[::-1], content="x").fingerprint
    with pytest.raises(DataError, match="no images are left to train on"):
        make_splits(whole, rows[1:] + rows[:1], content="x")
