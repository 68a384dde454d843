"""Sets that come as arrays with an official test part (CIFAR-10, MNIST): resized, sampled and parted."""

import hashlib
from collections.abc import Sequence

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import OptionError
from datasets.folder import check_sizes
from datasets.images import resize_image
from datasets.splits import Splits, check_split, make_splits, split_indices

Part = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C) uint8 and class numbers (N,)


def array_splits(
    train: Part,
    test: Part,
    class_names: Sequence[str],
    *,
    image_size: int,
    crop_size: int,
    channels: int,
    reflect: bool,
    padding: int,
    pca_color: float,
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
    check_sizes(image_size, crop_size, sample_size)
    own_channels = train[0].shape[-1]
    if channels != own_channels:
        kind = "grey" if own_channels == 1 else "in colour"
        raise OptionError(f"channels is {channels}, but these images are {kind}; give {own_channels}")
    rng = np.random.default_rng(seed)
    rows = [_sample(len(labels), sample_size, rng) for _, labels in (train, test)]
    images = np.concatenate([part[0][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    labels = np.concatenate([part[1][chosen] for part, chosen in zip((train, test), rows, strict=True)])
    names = [f"train{row:05d}" for row in rows[0]] + [f"test{row:05d}" for row in rows[1]]
    whole = DataSet(
        _resized(images, image_size),
        np.eye(len(class_names), dtype=np.uint8)[labels],
        class_names=class_names,
        file_names=names,
        crop_size=crop_size,
        reflect=reflect,
        padding=padding,
        pca_color=pca_color,
        seed=seed,
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
    content = hashlib.sha256(np.ascontiguousarray(whole.images).tobytes()).hexdigest()
    return make_splits(whole, (kept, val, np.arange(num_train, len(names))), content=content)


def _sample(count: int, sample_size: int | None, rng: np.random.Generator) -> np.ndarray:
    """The rows to use, ascending."""
    if sample_size is None or sample_size >= count:
        return np.arange(count)
    return np.sort(rng.choice(count, sample_size, replace=False))


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    """(N, H, W, C) -> (N, size, size, C), uint8."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([resize_image(image, size, size) for image in images])
