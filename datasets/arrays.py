"""Data sets that come as arrays: resized, labelled and split (CIFAR-10, MNIST, the digits of scikit-learn)."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import OptionError
from datasets.images.decode import resize_image
from datasets.images.duplicates import pixel_digests
from datasets.options.loading import LoadOptions
from datasets.splits import Splits, check_seed, make_splits, sample_rows, split_indices

Part = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C) uint8 and class numbers (N,)


def split_official(
    train: Part, test: Part, class_names: Sequence[str], options: LoadOptions, seed: int
) -> Splits:
    """Return the splits of an official training and test part; the validation images come from the first.

    :return: Splits with one-hot labels (N, K) uint8.
    :raises OptionError: options that these images cannot satisfy.
    """
    check_seed(seed)
    rows = [sample_rows(len(labels), options.sample_size, seed) for _, labels in (train, test)]
    images = np.concatenate([part[0][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    labels = np.concatenate([part[1][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    names = [f"train{row:05d}" for row in rows[0]] + [f"test{row:05d}" for row in rows[1]]
    whole = array_dataset((images, labels), names, class_names, options, seed)
    num_train = len(rows[0])
    kept, val, _ = split_indices(
        names[:num_train],
        labels[:num_train],
        replace(options, test_fraction=0.0),
        seed=seed,
        class_names=class_names,
    )
    return split_arrays(whole, (kept, val, np.arange(num_train, len(names))), images)


def array_dataset(
    part: Part, names: Sequence[str], class_names: Sequence[str], options: LoadOptions, seed: int
) -> DataSet:
    """Return images of one size as a set of squares of image_size pixels, with one-hot labels (N, K) uint8.

    :raises OptionError: options that these images cannot satisfy.
    """
    images, labels = part
    own_channels, side = images.shape[-1], options.image_size
    if options.channels != own_channels:
        kind = "grey" if own_channels == 1 else "in colour"
        raise OptionError(f"channels is {options.channels}, but these images are {kind}; give {own_channels}")
    if images.shape[1:3] != (side, side):
        images = np.stack([resize_image(image, side, side) for image in images])
    return DataSet(
        images,
        np.eye(len(class_names), dtype=np.uint8)[labels],
        class_names=class_names,
        file_names=names,
        crops=options.crops,
        seed=seed,
    )


def split_arrays(whole: DataSet, rows: Sequence[np.ndarray], originals: np.ndarray) -> Splits:
    """Return a set of arrays as splits: see `datasets.splits.make_splits`.

    :param rows: indices of the training, validation and test images.
    :param originals: (N, H, W, C) uint8, the images before they were resized.
    """
    content = hashlib.sha256(np.ascontiguousarray(whole.images).reshape(-1).data).hexdigest()
    return make_splits(whole, rows, content=content, digests=pixel_digests(originals))
