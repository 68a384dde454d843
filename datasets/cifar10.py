"""Load CIFAR-10: 60,000 colour images of 32x32 pixels in ten classes, 10,000 of them for the test.

A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009). Each form may be the official
archive or the folder that it unpacks to:

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
MAX_BATCH_BYTES = 45 * 2**20  # an official batch has 31 million bytes; pickled again, half of them may double
MAX_HEADER_BYTES = 2**20  # of a member of an archive
FIRST_MEMBERS = 10  # by whose names an archive is recognized
MAX_MEMBERS = 100  # read of an archive; the official ones have 9
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
_BATCHES = (*TRAIN_BATCHES, TEST_BATCH)
_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
_ARCHIVES = (CIFAR10_PYTHON.name, CIFAR10_BINARY.name)
# What the readers raise on damaged archives
_TAR_ERRORS = (OSError, EOFError, ValueError, RecursionError, tarfile.TarError, zlib.error, lzma.LZMAError)
_Contents = Iterator[tuple[str, str, bytes]]  # each batch's name without a suffix, file name and content


def load_cifar10(
    path: Path | str | None = None,
    options: LoadOptions | None = None,
    *,
    seed: int = 0,
    download: bool = False,
    **changes: Any,
) -> Splits:
    """Load CIFAR-10 with the official test images as the test set.

    The other parameters are as in `datasets.load.load_splits`.

    :param path: one of the forms above, or a folder that holds one of them.
    :return: Splits with uint8 images (N, image_size, image_size, 3) and one-hot labels (N, 10) uint8.
    :raises DataError: a batch is missing or damaged, or an archive with an official name differs from it.
    """
    options = load_options("cifar10", options, changes)
    batches = _read_batches(located("cifar10", path, download))
    train = [batches[name] for name in TRAIN_BATCHES]
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return split_official((images, labels), batches[TEST_BATCH], CLASS_NAMES, options, seed)


def holds_cifar10(path: Path | str) -> bool:
    """Return whether a path holds one of the forms above, complete or not, rather than images."""
    path = expanded(path)
    archives = (file.name in _ARCHIVES or _names_batches(file) for file in _archives(path))
    return bool(_batch_files(path)) or any(archives)


def _batch_files(path: Path) -> dict[str, Path]:
    """Return the batches in a folder, or in the folder that an archive unpacks to."""
    for folder in _FOLDERS:
        files = [path / folder / f"{name}{suffix}" for name in _BATCHES for suffix in (".bin", "")]
        if found := {file.stem: file for file in files if file.is_file()}:
            return found
    return {}


def _archives(path: Path) -> list[Path]:
    """Return the archive at the path, or the archives with official names in a folder."""
    if path.is_dir():
        return [path / name for name in _ARCHIVES if (path / name).is_file()]
    is_zip = path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)
    return [path] if path.is_file() and not is_zip else []


def _names_batches(archive: Path) -> bool:
    """Return whether one of the first members of a tar archive has a name of CIFAR-10's."""
    try:
        with tarfile.open(archive, tarinfo=_Member) as members:
            names = [member.name for member in islice(members, FIRST_MEMBERS)]
    except (DataError, *_TAR_ERRORS):
        return False
    return any(word in name for name in names for word in (*_BATCHES, *_FOLDERS[1:]))


def _read_batches(path: Path) -> dict[str, Part]:
    """Return the six batches by their names without a suffix."""
    shown = escape_name(path)
    if not path.exists():
        raise DataError(f"there is no '{shown}'; give the CIFAR-10 archive or folder")
    # Only one encoded batch is in memory at a time.
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
    """Yield the batches of a folder or an archive, reading each only when it is needed."""
    if files := _batch_files(path):
        yield from ((name, file.name, _read_file(file)) for name, file in files.items())
    elif archives := _archives(path):
        check_official(archives[0])
        yield from _read_archive(archives[0])


def _read_file(path: Path) -> bytes:
    try:
        _check_bytes(str(path), path.stat().st_size, MAX_BATCH_BYTES)
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"'{escape_name(path)}' cannot be read ({error.strerror}); check its permissions"
        ) from error


class _Member(tarfile.TarInfo):
    """A member's header, refused if it announces more bytes than an official archive holds."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        _check_bytes(member.name, member.size, MAX_BATCH_BYTES if member.isreg() else MAX_HEADER_BYTES)
        return member


def _read_archive(path: Path) -> _Contents:
    """Yield the batches of a tar archive member by member, without extracting files."""
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
            f"'{escape_name(path)}' cannot be read as a tar archive ({reason}); download it again"
        ) from error


def _check_bytes(name: str, size: int, most: int) -> None:
    if size > most:
        raise DataError(
            f"'{escape_name(name)}' has {size} bytes; a CIFAR-10 batch has about 31 million, so this is not one; "
            "download it again"
        )


def _decode(shown: str, file: str, content: bytes) -> Part:
    """Return the images (N, 32, 32, 3) uint8 and the labels (N,) of one batch."""
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
    """Return the pixels (N, 3072) and the labels (N,) of a batch's dictionary; Python 2 wrote its keys as bytes."""
    items = batch.items() if isinstance(batch, dict) else ()
    values = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in items}
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
