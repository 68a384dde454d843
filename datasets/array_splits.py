"""Sets that come as arrays: resized, and with an official test part (CIFAR-10, MNIST) sampled and parted."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from datasets.augment.crops import Crops
from datasets.dataset import DataSet
from datasets.errors import OptionError
from datasets.images.decode import resize_image
from datasets.images.duplicates import pixel_digests
from datasets.splits import Splits, check_split, make_splits, sample_rows, split_indices

Part = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C) uint8 and class numbers (N,)


def array_splits(
    train: Part,
    test: Part,
    class_names: Sequence[str],
    crops: Crops,
    *,
    image_size: int,
    channels: int,
    val_fraction: float,
    sample_size: int | None,
    seed: int,
) -> Splits:
    """Splits of an official training and test part; the validation images are taken from the first.

    :param sample_size: use at most so many images of each part, drawn by seed; None: all.
    :return: Splits with one-hot labels (N, K) uint8.
    :raises OptionError: options that these images cannot satisfy.
    """
    check_split(val_fraction, 0.0, seed)
    rows = [sample_rows(len(labels), sample_size, seed) for _, labels in (train, test)]
    images = np.concatenate([part[0][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    labels = np.concatenate([part[1][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    names = [f"train{row:05d}" for row in rows[0]] + [f"test{row:05d}" for row in rows[1]]
    whole = array_dataset(
        (images, labels), names, class_names, crops, image_size=image_size, channels=channels, seed=seed
    )
    num_train = len(rows[0])
    kept, val, _ = split_indices(
        names[:num_train],
        labels[:num_train],
        val_fraction=val_fraction,
        test_fraction=0.0,
        seed=seed,
        class_names=class_names,
    )
    return parted(whole, (kept, val, np.arange(num_train, len(names))), images)


def array_dataset(
    part: Part,
    names: Sequence[str],
    class_names: Sequence[str],
    crops: Crops,
    *,
    image_size: int,
    channels: int,
    seed: int,
) -> DataSet:
    """Images of any one size, resized to squares of image_size pixels, with one-hot labels (N, K) uint8.

    :raises OptionError: options that these images cannot satisfy.
    """
    images, labels = part
    own_channels = images.shape[-1]
    if channels != own_channels:
        kind = "grey" if own_channels == 1 else "in colour"
        raise OptionError(f"channels is {channels}, but these images are {kind}; give {own_channels}")
    crops.check(image_size, image_size, channels)
    if images.shape[1:3] != (image_size, image_size):
        images = np.stack([resize_image(image, image_size, image_size) for image in images])
    return DataSet(
        images,
        np.eye(len(class_names), dtype=np.uint8)[labels],
        class_names=class_names,
        file_names=names,
        seed=seed,
        **asdict(crops),
    )


def parted(whole: DataSet, rows: Sequence[np.ndarray], originals: np.ndarray) -> Splits:
    """`datasets.splits.make_splits` of a set of arrays.

    :param originals: (N, H, W, C) uint8, the images before they were resized.
    """
    content = hashlib.sha256(np.ascontiguousarray(whole.images).reshape(-1).data).hexdigest()
    return make_splits(whole, rows, content=content, digests=pixel_digests(originals))
