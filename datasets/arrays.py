"""Resize, label and split data sets that come as arrays: CIFAR-10, MNIST, scikit-learn's digits."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import OptionError
from datasets.images.duplicates import pixel_digests
from datasets.images.resizing import resize_image
from datasets.options.loading import LoadOptions
from datasets.splits import Splits, check_seed, make_splits, sample_rows, split_indices

Part = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C) uint8 and class numbers (N,)


def split_official(
    train: Part, test: Part, class_names: Sequence[str], options: LoadOptions, seed: int
) -> Splits:
    """Split the official training part into training and validation images; keep the official test part.

    :return: Splits with one-hot labels (N, K) uint8.
    :raises OptionError: these images cannot satisfy the options.
    """
    check_seed(seed)
    rows = [sample_rows(len(labels), options.sample_size, seed) for _, labels in (train, test)]
    images, labels = (
        np.concatenate([values[chosen] for values, chosen in zip(pair, rows, strict=True)])
        for pair in zip(train, test, strict=True)
    )
    names = [f"train{row:05d}" for row in rows[0]] + [f"test{row:05d}" for row in rows[1]]
    whole = array_dataset((images, labels), names, class_names, options, seed)
    num_train = len(rows[0])
    fractions = replace(options, test_fraction=0.0)
    kept, val, _ = split_indices(
        names[:num_train], labels[:num_train], fractions, seed=seed, class_names=class_names
    )
    return split_arrays(whole, (kept, val, np.arange(num_train, len(names))), images)


def array_dataset(
    part: Part, names: Sequence[str], class_names: Sequence[str], options: LoadOptions, seed: int
) -> DataSet:
    """Return a set of images of `image_size` with one-hot labels (N, K) uint8.

    :raises OptionError: these images cannot satisfy the options.
    """
    images, labels = part
    channels, (height, width) = images.shape[-1], options.image_sides
    if options.channels != channels:
        kind = "grey" if channels == 1 else "in colour"
        raise OptionError(f"channels is {options.channels}, but these images are {kind}; give {channels}")
    if images.shape[1:3] != (height, width):
        images = np.stack([resize_image(image, height, width, options.resize) for image in images])
    return DataSet(
        images,
        np.eye(len(class_names), dtype=np.uint8)[labels],
        class_names=class_names,
        file_names=names,
        crops=options.crops,
        seed=seed,
    )


def split_arrays(whole: DataSet, rows: Sequence[np.ndarray], originals: np.ndarray) -> Splits:
    """Return the splits of a set of arrays, as `datasets.splits.make_splits` does.

    :param rows: indices of the training, validation and test images.
    :param originals: (N, H, W, C) uint8, the images before resizing.
    """
    content = hashlib.sha256(np.ascontiguousarray(whole.images).reshape(-1).data).hexdigest()
    return make_splits(whole, rows, content=content, digests=pixel_digests(originals))
