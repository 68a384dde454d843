import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from datasets.dataset import DataSet
from datasets.errors import DataError, OptionError
from datasets.options.loading import SplitOptions
from datasets.splits import make_splits, sample_rows, split_indices

NAMES = [f"{i:03d}.jpg" for i in range(100)]
DIGESTS = np.arange(64, dtype=np.uint8).reshape(4, 16)  # no two images alike
LABELS = np.array([0] * 60 + [1] * 40)


def split(names=NAMES, labels=LABELS, *, val_fraction=0.25, test_fraction=0.2, seed=0, class_names=None):
    options = SplitOptions(val_fraction=val_fraction, test_fraction=test_fraction)
    return split_indices(names, labels, options, seed=seed, class_names=class_names)


def test_parts_are_disjoint_complete_and_stratified():
    parts = split()
    assert sorted(np.concatenate(parts).tolist()) == list(range(100))
    assert [len(part) for part in parts] == [60, 20, 20]
    assert [int(LABELS[part].sum()) for part in parts] == [24, 8, 8]


def test_the_order_of_the_listing_does_not_matter():
    shuffled = np.random.default_rng(0).permutation(100)
    listed = [NAMES[i] for i in shuffled]
    for a, b in zip(split(), split(listed, LABELS[shuffled]), strict=True):
        assert [NAMES[i] for i in a] == [listed[i] for i in b]


def test_the_seed_decides():
    assert split(seed=1)[2].tolist() == split(seed=1)[2].tolist() != split(seed=2)[2].tolist()


def test_a_share_of_zero_is_an_empty_part():
    train, val, test = split(val_fraction=0.0, test_fraction=0.0)
    assert (train.tolist(), len(val), len(test)) == (list(range(100)), 0, 0)


def test_25000_images_are_parted_as_in_the_alexnet_post():
    names = [f"{kind}.{i}.jpg" for kind in ("cat", "dog") for i in range(12500)]
    labels = np.repeat([0, 1], 12500)
    parts = split(names, labels, val_fraction=0.2, test_fraction=0.5)
    assert [len(part) for part in parts] == [10000, 2500, 12500]
    assert [int(labels[part].sum()) for part in parts] == [5000, 1250, 6250]
    assert len(np.unique(np.concatenate(parts))) == 25000


def test_without_a_test_set_the_split_is_scikit_learns_of_all_sorted_names():
    train, val = train_test_split(np.arange(100), test_size=20, random_state=3, stratify=LABELS)
    drawn = split(val_fraction=0.2, test_fraction=0.0, seed=3)
    for part, expected in zip(drawn, (train, val, []), strict=True):
        assert part.tolist() == sorted(expected)


def test_the_test_set_does_not_depend_on_the_share_of_the_validation_set():
    assert split(val_fraction=0.0)[2].tolist() == split(val_fraction=0.5)[2].tolist()


@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 1], [0, 1, 2, 3, 4], [0, 0, 0, 1, 1]])
@pytest.mark.parametrize(("class_names", "shown"), [("abcde", r"'b': "), (None, "1: ")])
def test_a_class_too_small_for_every_part_is_an_error_with_the_counts(labels, class_names, shown):
    with pytest.raises(
        DataError, match=rf"too few images .*{shown}\d.*change --data.val_fraction and --data.test"
    ):
        split(NAMES[:5], np.array(labels), class_names=class_names)


def test_of_many_classes_the_smallest_are_named():
    labels = np.array([0] * 60 + [1] * 39 + [2])
    with pytest.raises(DataError, match="fewest first: 'ant': 1, 'dog': 39, 'cat': 60\\)"):
        split(labels=labels, class_names=["cat", "dog", "ant"])


def test_no_images_at_all_are_too_few():
    with pytest.raises(DataError, match="too few images"):
        split([], np.array([], int))


def test_a_seed_of_more_than_32_bits_is_a_seed_like_others():
    large = split(seed=99999999999)
    assert [len(part) for part in large] == [60, 20, 20]
    assert large[2].tolist() == split(seed=99999999999)[2].tolist() != split(seed=99999999998)[2].tolist()


def test_a_sample_has_ascending_rows_that_the_seed_decides():
    rows = sample_rows(100, 10, seed=3).tolist()
    assert rows == sorted(set(rows)) == sample_rows(100, 10, seed=3).tolist()
    assert len(rows) == 10
    assert rows != sample_rows(100, 10, seed=4).tolist()
    for size in (None, 5, 9):
        assert sample_rows(5, size, seed=0).tolist() == [0, 1, 2, 3, 4]


def test_a_seed_below_0_is_refused_as_such():
    with pytest.raises(OptionError, match="seed is -1; it must be zero or a positive number"):
        split(seed=-1)


def test_the_fingerprint_changes_with_the_split_and_the_content():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    whole = DataSet(images, np.eye(2)[[0, 1, 0, 1]], class_names=["a", "b"], file_names=NAMES[:4])
    rows = [np.array([0, 1]), np.array([], int), np.array([2, 3])]
    one = make_splits(whole, rows, content="x", digests=DIGESTS)
    assert one.val is None
    assert one.class_names == ("a", "b")
    assert one.fingerprint == make_splits(whole, rows, content="x", digests=DIGESTS).fingerprint
    assert one.fingerprint != make_splits(whole, rows, content="y", digests=DIGESTS).fingerprint
    assert one.fingerprint != make_splits(whole, rows[::-1], content="x", digests=DIGESTS).fingerprint
    with pytest.raises(DataError, match="no images are left to train on"):
        make_splits(whole, rows[1:] + rows[:1], content="x", digests=DIGESTS)


@pytest.mark.parametrize(
    ("per_class", "sizes"),  # of training, validation and test, for two classes
    [(3, (2, 2, 2)), (10, (16, 2, 2)), (20, (32, 4, 4)), (200, (324, 36, 40)), (2500, (4512, 238, 250))],
)
def test_automatic_shares_leave_few_images_for_training(per_class, sizes):
    names = [f"{number:05}" for number in range(2 * per_class)]
    options = SplitOptions(val_fraction="auto", test_fraction="auto")
    parts = split_indices(names, np.arange(2 * per_class) % 2, options, seed=0)
    assert tuple(map(len, parts)) == sizes
