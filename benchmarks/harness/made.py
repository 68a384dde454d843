"""Images that are made for a measurement: JPEG files, alone and in labelled folders, and arrays on disk."""

from pathlib import Path

import numpy as np

from datasets.dataset import DataSet
from datasets.images.decode import resize_image
from datasets.splits import Splits

HEIGHT, WIDTH = 375, 500  # of a photograph, pixels
BLOCK = 256  # images of noise that an array repeats
DISTINCT = 200  # pictures of a labelled folder; further files are further names of these
CLASSES = ("cat", "dog")


def make_photo(rng: np.random.Generator) -> np.ndarray:
    """Something as smooth and as noisy as a photograph: (375, 500, 3) uint8."""
    photo = np.zeros((HEIGHT, WIDTH, 3))
    for cells, weight in ((4, 0.5), (16, 0.25), (64, 0.15)):
        coarse = rng.integers(0, 256, (cells * 3 // 4, cells, 3), dtype=np.uint8)
        photo += weight * resize_image(coarse, HEIGHT, WIDTH)
    return np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


def write_photos(folder: Path, num_images: int, seed: int) -> list[Path]:
    """Writes JPEG files of the usual quality; their paths, in order."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    paths = [folder / f"{number:05d}.jpg" for number in range(num_images)]
    for path in paths:
        Image.fromarray(make_photo(rng)).save(path, quality=90)
    return paths


def write_tree(root: Path, num_images: int, side: int, seed: int) -> None:
    """Makes ROOT/CLASS/*.jpg: `DISTINCT` pictures of `side` pixels, the other files are hard links to them."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    for i in range(num_images):
        path = root / CLASSES[i % len(CLASSES)] / f"{i:06d}.jpg"
        if i < DISTINCT:
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(resize_image(coarse, side, side)).save(path, quality=90)
        else:
            first = i % DISTINCT
            path.hardlink_to(root / CLASSES[first % len(CLASSES)] / f"{first:06d}.jpg")


def noise(num_images: int, side: int, seed: int) -> np.ndarray:
    """(N, side, side, 3) uint8 in memory."""
    return np.random.default_rng(seed).integers(0, 256, (num_images, side, side, 3), dtype=np.uint8)


def write_blank(path: Path, num_images: int, side: int) -> np.memmap:
    """A .npy file of black images, which takes no room on disk until they are painted: (N, side, side, 3) uint8."""
    return np.lib.format.open_memmap(path, "w+", np.uint8, (num_images, side, side, 3))


def write_noise(path: Path, num_images: int, side: int, seed: int) -> None:
    """A .npy file of noise, the same `BLOCK` images again and again."""
    images = write_blank(path, num_images, side)
    block = noise(min(BLOCK, num_images), side, seed)
    for start in range(0, num_images, len(block)):
        part = images[start : start + len(block)]
        part[...] = block[: len(part)]
    images.flush()


def class_numbers(num_images: int, num_classes: int) -> np.ndarray:
    """(N,) int64, the classes in turn."""
    return np.arange(num_images) % num_classes


def open_splits(path: Path, num_classes: int, crop_size: int, *, padding: int = 0) -> Splits:
    """Such a file, memory-mapped, as a training set without a validation or test set."""
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    names = tuple(f"class {number}" for number in range(num_classes))
    labels = np.eye(num_classes, dtype=np.uint8)[class_numbers(len(images), num_classes)]
    train = DataSet(images, labels, class_names=names, crop_size=crop_size, padding=padding)
    return Splits(train, None, None, names, "made")
