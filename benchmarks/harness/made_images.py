"""Generate images for measurements, in memory or on disk."""

from pathlib import Path

import numpy as np

from datasets.dataset import DataSet
from datasets.splits import Splits

BLOCK = 256  # images of noise, repeated to fill a file


def noise(num_images: int, side: int, seed: int = 0) -> np.ndarray:
    """Return (N, side, side, 3) uint8 in memory."""
    return np.random.default_rng(seed).integers(0, 256, (num_images, side, side, 3), dtype=np.uint8)


def write_blank(path: Path, num_images: int, side: int) -> np.memmap:
    """Write a sparse .npy file of black images, (N, side, side, 3) uint8, and return it."""
    return np.lib.format.open_memmap(path, "w+", np.uint8, (num_images, side, side, 3))


def write_noise(path: Path, num_images: int, side: int, seed: int) -> None:
    """Write a .npy file that repeats `BLOCK` images of noise."""
    images = write_blank(path, num_images, side)
    block = noise(min(BLOCK, num_images), side, seed)
    for start in range(0, num_images, len(block)):
        part = images[start : start + len(block)]
        part[...] = block[: len(part)]
    images.flush()


def class_numbers(num_images: int, num_classes: int) -> np.ndarray:
    """Return class numbers (N,), int64, cycling through the classes."""
    return np.arange(num_images) % num_classes


def as_splits(images: np.ndarray, num_classes: int, crop_size: int, *, padding: int = 0) -> Splits:
    """Return images as a training set without a validation or test set."""
    names = tuple(f"class {number}" for number in range(num_classes))
    labels = np.eye(num_classes, dtype=np.uint8)[class_numbers(len(images), num_classes)]
    train = DataSet(images, labels, class_names=names, crop_size=crop_size, padding=padding)
    return Splits(train, None, None, names, "made")


def open_splits(
    path: Path, num_classes: int, crop_size: int, *, padding: int = 0, num_images: int | None = None
) -> Splits:
    """Memory-map the first `num_images` of a .npy file as a training set; None for all."""
    images = np.load(path, mmap_mode="r", allow_pickle=False)[:num_images]
    return as_splits(images, num_classes, crop_size, padding=padding)
