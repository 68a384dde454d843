"""CIFAR-10: 60,000 colour images of 32x32 pixels in ten classes, 10,000 of them for the test.

A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009). Known forms, each as the official
archive or as the folder that it unpacks to:

    cifar-10-python.tar.gz, cifar-10-batches-py/    data_batch_1 .. data_batch_5, test_batch: pickles
    cifar-10-binary.tar.gz, cifar-10-batches-bin/   data_batch_1.bin .. data_batch_5.bin, test_batch.bin
"""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from datasets.arrays import Part, split_official
from datasets.catalogue import load_options
from datasets.download.fetch import located
from datasets.download.known_files import CIFAR10_BINARY, CIFAR10_PYTHON
from datasets.download.verification import check_official
from datasets.errors import DataError, escape_name
from datasets.options.loading import LoadOptions
from datasets.splits import Splits
from datasets.storage.paths import expanded
from datasets.storage.plain_pickle import load_plain_pickle

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32  # pixels
PIXELS = 3 * SIDE * SIDE  # bytes of an image, channel after channel
MAX_BATCH_BYTES = 45 * 2**20  # an official batch has 31 million bytes; pickled anew, half of them may double
MAX_HEADER_BYTES = 2**20  # of what an archive says about a member
MAX_MEMBERS = 100  # that are looked at; an official archive has 9
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
_BATCHES = (*TRAIN_BATCHES, TEST_BATCH)
_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
_ARCHIVES = (CIFAR10_PYTHON.name, CIFAR10_BINARY.name)
_TAR_ERRORS = (  # what the readers raise on damaged archives
    *(OSError, EOFError, ValueError, RecursionError),
    *(tarfile.TarError, zlib.error, lzma.LZMAError),
)
_Contents = Iterator[tuple[str, str, bytes]]  # of each batch its name without a suffix, file name and content


def load_cifar10(
    path: Path | str | None = None,
    options: LoadOptions | None = None,
    *,
    seed: int = 0,
    download: bool = False,
    **changes: Any,
) -> Splits:
    """Load CIFAR-10 with the official test images as the test set.

    :param path: one of the forms above, or a folder that holds one of them.
    :param options: None for the defaults of CIFAR-10 in `datasets.catalogue`.
    :param seed: of the sample, the split, the order and the crops.
    :param download: see `datasets.download.fetch`; the archive is put into path, which may then be None.
    :param changes: options that replace those of `options`, by name.
    :return: Splits with uint8 images (N, image_size, image_size, 3) and one-hot labels (N, 10) uint8.
    :raises DataError: nothing there, a batch that is missing or holds something else, or an archive that has the
        name of an official one but other content.
    """
    options = load_options("cifar10", options, changes)
    batches = _read_batches(located("cifar10", path, download))
    train = [batches[name] for name in TRAIN_BATCHES]
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return split_official((images, labels), batches[TEST_BATCH], CLASS_NAMES, options, seed)


def holds_cifar10(path: Path | str) -> bool:
    """Whether there is one of the forms above, complete or not, and not something else, such as images."""
    path = expanded(path)
    return bool(_batch_files(path) or _archives(path))


def _batch_files(path: Path) -> dict[str, Path]:
    """Return the batches in a folder, or in the folder that an archive unpacks to."""
    for folder in _FOLDERS:
        files = {
            name: file
            for name in _BATCHES
            for file in (path / folder / f"{name}.bin", path / folder / name)
            if file.is_file()
        }
        if files:
            return files
    return {}


def _archives(path: Path) -> list[Path]:
    """Return the archive itself, or the archives with official names in a folder."""
    if path.is_dir():
        return [path / name for name in _ARCHIVES if (path / name).is_file()]
    is_zip = path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)
    return [path] if path.is_file() and not is_zip else []


def _read_batches(path: Path) -> dict[str, Part]:
    """Return the six batches by their names without a suffix."""
    shown = escape_name(str(path))
    if not path.exists():
        raise DataError(f"there is no '{shown}'; give the CIFAR-10 archive or folder")
    # One after another: no two are in memory before they are decoded.
    batches = {name: _decode(f"{shown}/{file}", file, content) for name, file, content in _contents(path)}
    missing = [name for name in _BATCHES if name not in batches]
    if len(missing) == len(_BATCHES):
        raise DataError(
            f"no CIFAR-10 batches in '{shown}'; give the official archive or its unpacked folder, or for images in "
            "one folder per class --data.name folder"
        )
    if missing:
        raise DataError(f"'{shown}' lacks {', '.join(missing)}; unpack the archive again")
    return batches


def _contents(path: Path) -> _Contents:
    """Yield the batches of a folder or an archive, and read each only when it is needed."""
    files, archives = _batch_files(path), _archives(path)
    if files:
        yield from ((name, file.name, _read_file(file)) for name, file in files.items())
    elif archives:
        check_official(archives[0])
        yield from _read_archive(archives[0])


def _read_file(path: Path) -> bytes:
    try:
        _check_bytes(str(path), path.stat().st_size, MAX_BATCH_BYTES)
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"'{escape_name(str(path))}' cannot be read ({error.strerror}); check its permissions"
        ) from error


class _Member(tarfile.TarInfo):
    """A header of an archive, which is refused if it announces more than an official archive holds."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        _check_bytes(member.name, member.size, MAX_BATCH_BYTES if member.isreg() else MAX_HEADER_BYTES)
        return member


def _read_archive(path: Path) -> _Contents:
    """Yield the batches of a tar archive, read member by member; nothing is ever extracted."""
    try:
        with tarfile.open(path, tarinfo=_Member) as archive:
            for member in islice(archive, MAX_MEMBERS):
                file = member.name.rpartition("/")[2]
                name = file.removesuffix(".bin")
                if member.isreg() and name in _BATCHES:
                    _check_bytes(f"{path}/{file}", member.size, MAX_BATCH_BYTES)
                    stream = archive.extractfile(member)
                    yield name, file, stream.read() if stream else b""
    except _TAR_ERRORS as error:
        reason = escape_name(" ".join(str(error).split()))
        raise DataError(
            f"'{escape_name(str(path))}' cannot be read as a tar archive ({reason}); download it again"
        ) from error


def _check_bytes(name: str, size: int, most: int) -> None:
    if size > most:
        raise DataError(
            f"'{escape_name(name)}' has {size} bytes; a CIFAR-10 batch has about 31 million, so this is not one; "
            "download it again"
        )


def _decode(shown: str, file: str, content: bytes) -> Part:
    """Return images (N, 32, 32, 3) uint8 and labels (N,) of one batch."""
    if file.endswith(".bin"):
        records = np.frombuffer(content, np.uint8)
        if not len(records) or len(records) % (1 + PIXELS):
            raise DataError(
                f"'{shown}' has {len(records)} bytes, not a multiple of {1 + PIXELS}; it is damaged; "
                "download it again"
            )
        records = records.reshape(-1, 1 + PIXELS)
        pixels, labels = records[:, 1:], records[:, 0]
    else:
        pixels, labels = _unpickled(shown, load_plain_pickle(content, shown))
    if labels.min() < 0 or labels.max() >= len(CLASS_NAMES):
        raise DataError(
            f"'{shown}' has a label beyond 0..{len(CLASS_NAMES) - 1}; it is not a CIFAR-10 batch; download it again"
        )
    images = pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)  # (N, 32, 32, 3)
    return np.ascontiguousarray(images), labels.astype(np.intp)


def _unpickled(shown: str, batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (N, 3072) and labels (N,) of a batch's dictionary, whose keys Python 2 wrote as bytes."""
    values = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in _items(batch)}
    pixels, labels = values.get("data"), values.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != PIXELS or not len(pixels):
        raise DataError(
            f"'{shown}' holds no array of N x {PIXELS} bytes; it is not a CIFAR-10 batch; download it again"
        )
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(type(v) is int for v in labels):
        raise DataError(
            f"'{shown}' does not hold one label for each of its {len(pixels)} images; download it again"
        )
    return pixels, np.array(labels)


def _items(batch: Any) -> list[tuple[Any, Any]]:
    return list(batch.items()) if isinstance(batch, dict) else []
