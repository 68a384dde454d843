"""Load MNIST: 70,000 grey images of handwritten digits, 28x28 pixels, 10,000 of them for the test.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition" (1998).
It consists of four IDX files, compressed with gzip or not:

    train-images-idx3-ubyte   train-labels-idx1-ubyte   t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte
"""

import gzip
import struct
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from datasets.arrays import Part, split_official
from datasets.catalogue import load_options
from datasets.download.fetch import located
from datasets.errors import DataError, escape_name
from datasets.options.loading import LoadOptions
from datasets.splits import Splits
from datasets.storage.paths import expanded

CLASS_NAMES = tuple("0123456789")
SIDE = 28  # pixels
MAX_IMAGES = 1_000_000  # larger files are refused before memory is allocated; MNIST has 60,000
_CHUNK = 2**20
_UNSIGNED_BYTE = 8  # the only IDX type that is supported
_PARTS = ("train", "t10k")
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


def load_mnist(
    path: Path | str | None = None,
    options: LoadOptions | None = None,
    *,
    seed: int = 0,
    download: bool = False,
    **changes: Any,
) -> Splits:
    """Load MNIST with the official test images as the test set.

    The other parameters are as in `datasets.load.load_splits`.

    :param path: the folder that holds the four files.
    :return: Splits with uint8 images (N, image_size, image_size, 1) and one-hot labels (N, 10) uint8.
    :raises DataError: a file is missing, truncated, or of another kind.
    """
    options = load_options("mnist", options, changes)
    folder = located("mnist", path, download)
    train, test = (_read_part(folder, part) for part in _PARTS)
    return split_official(train, test, CLASS_NAMES, options, seed)


def holds_mnist(path: Path | str) -> bool:
    """Return whether a folder holds one of the four files, rather than images."""
    folder = expanded(path)
    return any(_found(folder, f"{part}-{kind}") for part in _PARTS for kind in _KINDS)


def _read_part(folder: Path, part: str) -> Part:
    """Return the images (N, 28, 28, 1) uint8 and the labels (N,)."""
    image_file, label_file = (_find(folder, f"{part}-{kind}") for kind in _KINDS)
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"'{escape_name(image_file)}' holds {images.shape}, not images of {SIDE}x{SIDE}; give MNIST's files"
        )
    if labels.shape != (len(images),):
        raise DataError(
            f"'{escape_name(label_file)}' holds labels of shape {labels.shape} for {len(images)} images; the two "
            "files do not belong together"
        )
    if not len(labels) or labels.max() >= len(CLASS_NAMES):
        raise DataError(
            f"'{escape_name(label_file)}' holds a label beyond 0..9, or none; it is not MNIST's; download it again"
        )
    return images[..., np.newaxis], labels.astype(np.intp)


def _find(folder: Path, name: str) -> Path:
    file = _found(folder, name)
    if file is None:
        raise DataError(
            f"there is no {name}(.gz) in '{escape_name(folder)}'; give the folder that holds the four files of "
            "MNIST, or for images in one folder per class --data.name folder"
        )
    return file


def _found(folder: Path, name: str) -> Path | None:
    """Return the file under its official name or as it is often unpacked (`.idx3`), compressed or not."""
    names = [f"{form}{suffix}" for form in (name, name.replace("-idx", ".idx")) for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an IDX file of unsigned bytes, compressed with gzip or not.

    :raises DataError: the file is of another kind, or has fewer or more bytes than its header says.
    """
    shown, opened = escape_name(path), gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            start = file.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] != _UNSIGNED_BYTE or start[3] not in (1, 3):
                raise DataError(
                    f"'{shown}' starts with {start.hex() or 'nothing'}; an IDX file of bytes starts with "
                    "00000801 or 00000803; download it again"
                )
            sizes = file.read(4 * start[3])
            if len(sizes) < 4 * start[3]:
                raise DataError(f"'{shown}' ends within its header; download it again")
            shape = struct.unpack(f">{start[3]}I", sizes)
            if shape[0] > MAX_IMAGES or max(shape[1:], default=0) > SIDE:
                raise DataError(
                    f"'{shown}' says that it holds {shape}; MNIST holds (60000, 28, 28); download it again"
                )
            expected = int(np.prod(shape))
            found = _count_bytes(file, expected)
            content = file.read(expected) if found == expected else b""
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"'{shown}' cannot be read ({error}); download it again") from error
    if found != expected:
        held = "more" if found > expected else found
        raise DataError(f"'{shown}' should hold {expected} bytes of data and holds {held}; download it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _count_bytes(file: gzip.GzipFile | BufferedReader, most: int) -> int:
    """Count the following bytes up to most + 1 without keeping them, since a small file may unpack to any size."""
    start, count = file.tell(), 0
    while count <= most and (chunk := file.read(min(_CHUNK, most + 1 - count))):
        count += len(chunk)
    file.seek(start)
    return count
