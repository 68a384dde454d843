"""Split images into three sets: for training, for validation and for the final test."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import DataError, escape_name
from datasets.images.array_rows import ImageRows, Images
from datasets.images.duplicates import warn_of_shared
from datasets.options.fields import AUTO, NOT_NEGATIVE, check
from datasets.options.loading import SplitOptions
from datasets.storage.names import inside_list, sorted_rows
from datasets.storage.rows import row_numbers


@dataclass(frozen=True)
class Splits:
    """The result of a loader.

    :param val: the images to choose the best weights by, or None.
    :param test: the images of the final test, or None.
    :param class_names: in the order of the labels.
    :param fingerprint: hex digest of the pixels, the labels and the split, to compare data with.
    :param bad_files: (name, reason) of each file that was left out.
    :param digests: `pixel_digests` of the images of 'train', 'val' and 'test', where known.
    """

    train: DataSet
    val: DataSet | None
    test: DataSet | None
    class_names: tuple[str, ...]
    fingerprint: str
    bad_files: tuple[tuple[str, str], ...] = ()
    digests: Mapping[str, Images] = field(default_factory=dict)


def check_seed(seed: int) -> None:
    """Raise OptionError for a negative seed."""
    check(NOT_NEGATIVE.holds(seed), "seed", seed, NOT_NEGATIVE.expected)


def sample_rows(count: int, sample_size: int | None, seed: int) -> np.ndarray:
    """Draw at most sample_size (None: all) of `count` rows by the seed, in ascending order."""
    if sample_size is None or sample_size >= count:
        return row_numbers(slice(None), count)
    return np.sort(np.random.default_rng(seed).choice(count, size=sample_size, replace=False))


def split_indices(
    names: Sequence[str],
    labels: np.ndarray,
    options: SplitOptions,
    *,
    seed: int,
    class_names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split images into three parts with the same share of every class, independently of their order.

    The test images are taken first, then the validation images from the rest: 25,000 images with
    test_fraction 0.5 and val_fraction 0.2 give 10,000, 2,500 and 12,500.

    :param names: N different names.
    :param labels: (N,) class numbers.
    :param options: val_fraction and test_fraction.
    :param seed: 0 or more.
    :param class_names: for messages; None: numbers.
    :return: indices of the training, validation and test images, each sorted by name.
    :raises DataError: a class has too few images to be in every part.
    """
    check_seed(seed)
    labels = np.asarray(labels)
    rest, test = _part(sorted_rows(names), labels, options.test_fraction, seed)
    train, val = _part(rest, labels, options.val_fraction, seed) if rest is not None else (None, None)
    if train is None or val is None or test is None:
        raise DataError(_too_few(labels, class_names))
    return train, val, test


def auto_size(num_images: int, num_classes: int) -> int:
    """Return how many images to hold out, if the option is "auto".

    A tenth of few images, which are needed for training; about 100 of more than 1,000, but at least a twentieth.
    The number is a multiple of the number of classes, so that classes of equal size are held out in equal numbers.
    """
    share = min(0.1, max(0.05, 100 / max(num_images, 1)))
    return num_classes * max(1, round(share * num_images / num_classes))


def make_splits(
    whole: DataSet,
    parts: Sequence[np.ndarray],
    *,
    content: str,
    digests: np.ndarray,
    bad_files: Sequence[tuple[str, str]] = (),
) -> Splits:
    """Return the splits of a set with class and file names, without copying its pixels.

    Warn about validation and test images that are also in the training set, pixel for pixel.

    :param parts: indices of the training, validation and test images; empty ones make None.
    :param content: digest of the pixels.
    :param digests: `datasets.images.duplicates.pixel_digests` of all images.
    :raises DataError: there are no training images.
    """
    if whole.class_names is None:
        raise ValueError("the set has no class names; give them to DataSet")
    train, val, test = (whole.subset(rows) if len(rows) else None for rows in parts)
    if train is None:
        raise DataError("no images are left to train on; check the train folder, or give smaller fractions")
    named = dict(zip(("training", "validation", "test"), parts, strict=True))
    warn_of_shared(named, digests, whole.file_names or (), learned="training")
    digest = hashlib.sha256(content.encode())
    for part in (train, val, test):
        if part is not None:
            for piece in _named(part.file_names, part.labels.shape):
                digest.update(piece)
            digest.update(np.ascontiguousarray(part.labels).tobytes())
        digest.update(b"|")
    of_parts = {
        part: ImageRows(digests, rows) for part, rows in zip(("train", "val", "test"), parts, strict=True)
    }
    return Splits(train, val, test, whole.class_names, digest.hexdigest(), tuple(bad_files), of_parts)


def _named(names: Sequence[str] | None, shape: tuple[int, ...]) -> Iterator[bytes]:
    """Yield `repr` of the tuple of names and a shape, in pieces."""
    if names is None:
        yield repr((names, shape)).encode()
        return
    yield b"(("
    yield from inside_list(names, repr)
    yield f"{',' if len(names) == 1 else ''}), {shape!r})".encode()


def _part(
    indices: np.ndarray, labels: np.ndarray, fraction: Any, seed: int
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return a stratified (rest, share) of the indices in order; (None, None) if either would lack a class."""
    if not fraction:
        return indices, indices[:0]
    classes, counts = np.unique(labels[indices], return_counts=True)
    if min(counts, default=0) < 2:
        return None, None
    size = auto_size(len(indices), len(classes)) if fraction == AUTO else round(fraction * len(indices))
    if not len(classes) <= size <= len(indices) - len(classes):
        return None, None
    from sklearn.model_selection import train_test_split  # slow to import

    if seed >= 2**32:  # more than scikit-learn takes
        seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    kept, taken = train_test_split(
        np.arange(len(indices)), test_size=size, random_state=seed, stratify=labels[indices]
    )
    if not all(np.array_equal(np.unique(labels[indices[part]]), classes) for part in (kept, taken)):
        return None, None
    return indices[np.sort(kept)], indices[np.sort(taken)]


def _too_few(labels: np.ndarray, class_names: Sequence[str] | None) -> str:
    classes, counts = np.unique(labels, return_counts=True)
    fewest = np.argsort(counts, kind="stable")[:10]
    names = [f"'{escape_name(class_names[label])}'" if class_names else str(label) for label in classes]
    listed = ", ".join(f"{names[i]}: {counts[i]}" for i in fewest)
    return (
        f"too few images to have every class in each part of the set (images of each class, fewest first: "
        f"{listed}); add images to these classes or remove the classes, or change --data.val_fraction and "
        "--data.test_fraction (0 does without that part)"
    )
