"""Three sets of one collection: to learn from, to choose by, to report on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import DataError, OptionError


@dataclass(frozen=True)
class Splits:
    """What a loader returns.

    :param train: to learn from.
    :param val: to stop and to choose by, or None.
    :param test: to report on, or None.
    :param class_names: in the order of the labels.
    :param fingerprint: hex digest of the pixels, the labels and the split, for "is this the same data?".
    :param bad_files: (name, reason) of each file that was left out.
    """

    train: DataSet
    val: DataSet | None
    test: DataSet | None
    class_names: tuple[str, ...]
    fingerprint: str
    bad_files: tuple[tuple[str, str], ...] = ()


def split_indices(
    names: Sequence[str], labels: np.ndarray, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts images into three, with the same share of every class in each; the listing's order is no matter.

    :param names: N different names.
    :param labels: (N,) class numbers.
    :param val_fraction: share of all images that go to validation, in [0, 1).
    :param test_fraction: share of all images that go to testing, in [0, 1).
    :return: indices (int64) into names of the training, validation and test images, in order of their names.
    :raises DataError: a class has too few images to be in every part.
    :raises OptionError: fractions that leave nothing to train on.
    """
    check_fractions(val_fraction, test_fraction)
    labels = np.asarray(labels)
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.intp)
    rest, test = _part(by_name, labels, round(test_fraction * len(names)), test_fraction > 0, seed)
    train, val = _part(rest, labels, round(val_fraction * len(names)), val_fraction > 0, seed)
    return train, val, test


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Refuses shares that are negative or leave nothing to train on."""
    if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
        raise OptionError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} leave nothing to train on; "
            "give two shares of 0 or more whose sum is below 1"
        )


def make_splits(
    whole: DataSet,
    parts: Sequence[np.ndarray],
    *,
    content: str,
    bad_files: Sequence[tuple[str, str]] = (),
) -> Splits:
    """Splits of a set that has class and file names, without a copy of its pixels.

    :param parts: indices of the training, validation and test images; an empty array is no set.
    :param content: digest of the pixels.
    :raises DataError: nothing to train on.
    """
    if whole.class_names is None:
        raise ValueError("the set has no class names; give them to DataSet")
    train, val, test = (whole.subset(rows) if len(rows) else None for rows in parts)
    if train is None:
        raise DataError("no images are left to train on; check the train folder, or give smaller fractions")
    digest = hashlib.sha256(content.encode())
    for part in (train, val, test):
        if part is not None:
            digest.update(repr((part.file_names, part.labels.shape)).encode())
            digest.update(np.ascontiguousarray(part.labels, dtype=np.uint8).tobytes())
        digest.update(b"|")
    return Splits(train, val, test, whole.class_names, digest.hexdigest(), tuple(bad_files))


def _part(
    indices: np.ndarray, labels: np.ndarray, size: int, wanted: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Takes `size` of the indices away, stratified: (what stays, what was taken), both in the old order."""
    if not wanted:
        return indices, indices[:0]
    from sklearn.model_selection import train_test_split  # slow to import

    try:
        kept, taken = train_test_split(
            np.arange(len(indices)), test_size=size, random_state=seed, stratify=labels[indices]
        )
    except ValueError as error:
        raise DataError(_too_few(labels)) from error
    present = set(labels[indices])
    if set(labels[indices[kept]]) != present or set(labels[indices[taken]]) != present:
        raise DataError(_too_few(labels))
    return indices[np.sort(kept)], indices[np.sort(taken)]


def _too_few(labels: np.ndarray) -> str:
    classes, counts = np.unique(labels, return_counts=True)
    listed = ", ".join(f"class {c}: {n}" for c, n in list(zip(classes, counts, strict=True))[:10])
    return (
        f"too few images to have every class in each part of the set ({listed}); "
        "add images, or change val_fraction and test_fraction"
    )
