"""Three sets of one collection: to learn from, to choose by, to report on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import DataError, OptionError, escape_name
from datasets.images.duplicates import warn_of_shared


@dataclass(frozen=True)
class Splits:
    """What a loader returns.

    :param train: to learn from.
    :param val: to stop and to choose by, or None.
    :param test: to report on, or None.
    :param class_names: in the order of the labels.
    :param fingerprint: hex digest of the pixels, the labels and the split, for "is this the same data?".
    :param bad_files: (name, reason) of each file that was left out.
    :param digests: `pixel_digests` of the images of 'train', 'val' and 'test', where known.
    """

    train: DataSet
    val: DataSet | None
    test: DataSet | None
    class_names: tuple[str, ...]
    fingerprint: str
    bad_files: tuple[tuple[str, str], ...] = ()
    digests: Mapping[str, np.ndarray] = field(default_factory=dict)


def sample_rows(count: int, sample_size: int | None, seed: int) -> np.ndarray:
    """At most sample_size (None: all) of `count` rows, ascending; which, is the seed's choice.

    :raises OptionError: a sample of less than one.
    """
    if sample_size is not None and sample_size < 1:
        raise OptionError(f"sample_size is {sample_size}; give the number of images to use, or none for all")
    if sample_size is None or sample_size >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size=sample_size, replace=False))


def split_indices(
    names: Sequence[str],
    labels: np.ndarray,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    class_names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts images into three, with the same share of every class in each; the listing's order is no matter.

    The test images are taken out first, then the validation images out of what remains: 25,000 images with
    test_fraction 0.5 and val_fraction 0.2 give 10,000, 2,500 and 12,500.

    :param names: N different names.
    :param labels: (N,) class numbers.
    :param val_fraction: share that goes to validation of what testing leaves, in [0, 1).
    :param test_fraction: share of all images that goes to testing, in [0, 1).
    :param seed: 0 or more.
    :param class_names: for messages; None: numbers.
    :return: indices (int64) into names of the training, validation and test images, in order of their names.
    :raises DataError: a class has too few images to be in every part.
    :raises OptionError: as `check_split`.
    """
    check_split(val_fraction, test_fraction, seed)
    labels = np.asarray(labels)
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.intp)
    rest, test = _part(by_name, labels, test_fraction, seed)
    train, val = _part(rest, labels, val_fraction, seed) if rest is not None else (None, None)
    if train is None or val is None or test is None:
        raise DataError(_too_few(labels, class_names))
    return train, val, test


def check_split(val_fraction: float, test_fraction: float, seed: int) -> None:
    """Refuses shares that are negative or leave nothing to train on, and a seed below 0."""
    if not (0 <= val_fraction < 1 and 0 <= test_fraction < 1):
        raise OptionError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} leave nothing to train on; "
            "give two shares of 0 or more and below 1"
        )
    if seed < 0:
        raise OptionError(f"seed is {seed}; give a whole number of 0 or more")


def make_splits(
    whole: DataSet,
    parts: Sequence[np.ndarray],
    *,
    content: str,
    digests: np.ndarray,
    bad_files: Sequence[tuple[str, str]] = (),
) -> Splits:
    """Splits of a set that has class and file names, without a copy of its pixels.

    Warns of images of the validation and the test set that are also in the training set, pixel for pixel.

    :param parts: indices of the training, validation and test images; an empty array is no set.
    :param content: digest of the pixels.
    :param digests: `datasets.images.duplicates.pixel_digests` of all images.
    :raises DataError: nothing to train on.
    """
    if whole.class_names is None:
        raise ValueError("the set has no class names; give them to DataSet")
    train, val, test = (whole.subset(rows) if len(rows) else None for rows in parts)
    if train is None:
        raise DataError("no images are left to train on; check the train folder, or give smaller fractions")
    warn_of_shared(
        dict(zip(("training", "validation", "test"), parts, strict=True)),
        digests,
        whole.file_names or (),
        learned="training",
    )
    digest = hashlib.sha256(content.encode())
    for part in (train, val, test):
        if part is not None:
            digest.update(repr((part.file_names, part.labels.shape)).encode())
            digest.update(np.ascontiguousarray(part.labels, dtype=np.uint8).tobytes())
        digest.update(b"|")
    of_parts = {part: digests[rows] for part, rows in zip(("train", "val", "test"), parts, strict=True)}
    return Splits(train, val, test, whole.class_names, digest.hexdigest(), tuple(bad_files), of_parts)


def _part(
    indices: np.ndarray, labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Takes a share of the indices away, stratified: (what stays, what was taken), both in the old order.

    (None, None) if a class would be missing in one of the two.
    """
    if not fraction:
        return indices, indices[:0]
    size = round(fraction * len(indices))
    classes, counts = np.unique(labels[indices], return_counts=True)
    if min(counts, default=0) < 2 or not len(classes) <= size <= len(indices) - len(classes):
        return None, None
    from sklearn.model_selection import train_test_split  # slow to import

    kept, taken = train_test_split(
        np.arange(len(indices)), test_size=size, random_state=_short_seed(seed), stratify=labels[indices]
    )
    if not all(np.array_equal(np.unique(labels[indices[part]]), classes) for part in (kept, taken)):
        return None, None
    return indices[np.sort(kept)], indices[np.sort(taken)]


def _short_seed(seed: int) -> int:
    """The seed itself where it has 32 bits, which is all that scikit-learn takes; else 32 bits made of it."""
    return seed if seed < 2**32 else int(np.random.SeedSequence(seed).generate_state(1)[0])


def _too_few(labels: np.ndarray, class_names: Sequence[str] | None) -> str:
    classes, counts = np.unique(labels, return_counts=True)
    fewest = np.argsort(counts, kind="stable")[:10]
    listed = ", ".join(
        f"'{escape_name(class_names[classes[i]])}': {counts[i]}"
        if class_names
        else f"{classes[i]}: {counts[i]}"
        for i in fewest
    )
    return (
        f"too few images to have every class in each part of the set (images of each class, fewest first: "
        f"{listed}); add images to these classes or remove the classes, or change --data.val_fraction and "
        "--data.test_fraction (0 does without that part)"
    )
