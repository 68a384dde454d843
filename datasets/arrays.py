"""Sets that come as arrays with an official test part (CIFAR-10, MNIST): resized, sampled and parted."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from datasets.crops import Crops
from datasets.dataset import DataSet
from datasets.duplicates import pixel_digests
from datasets.errors import OptionError
from datasets.images import resize_image
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
    own_channels = train[0].shape[-1]
    if channels != own_channels:
        kind = "grey" if own_channels == 1 else "in colour"
        raise OptionError(f"channels is {channels}, but these images are {kind}; give {own_channels}")
    crops.check(image_size, image_size, channels)
    rows = [sample_rows(len(labels), sample_size, seed) for _, labels in (train, test)]
    images = np.concatenate([part[0][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    labels = np.concatenate([part[1][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    names = [f"train{row:05d}" for row in rows[0]] + [f"test{row:05d}" for row in rows[1]]
    whole = DataSet(
        _resized(images, image_size),
        np.eye(len(class_names), dtype=np.uint8)[labels],
        class_names=class_names,
        file_names=names,
        seed=seed,
        **asdict(crops),
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
    content = hashlib.sha256(np.ascontiguousarray(whole.images).reshape(-1).data).hexdigest()
    parts = (kept, val, np.arange(num_train, len(names)))
    return make_splits(whole, parts, content=content, digests=pixel_digests(images))


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    """(N, H, W, C) -> (N, size, size, C), uint8."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([resize_image(image, size, size) for image in images])
