"""Build an entry of the cache of decoded images: decode in parallel and write in order.

An entry is a folder of four files: `images.npy` (N, H, W, C) uint8, `sums.npy` (N, C) int64 with the sums
over each image's pixels, `digests.npy` (N, 16) uint8 to find equal images, and `manifest.json` with the bad
files and checksums. Where images are decoded on demand (`store: files`), it has no `images.npy`.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from datasets.errors import DataError, escape_name
from datasets.image_files.folder_or_zip import Source
from datasets.images.decode import ImageError, read_resized
from datasets.images.duplicates import pixel_digests
from datasets.options.loading import DecodeOptions
from datasets.storage.names import Names
from datasets.storage.parallel import in_order
from datasets.storage.paths import file_digest

IMAGES, SUMS, DIGESTS, MANIFEST = "images.npy", "sums.npy", "digests.npy", "manifest.json"
_CHUNK = 16  # files per task
_HEADER_BYTES = 128
_BAR_AFTER = 2.0  # seconds


@dataclass(frozen=True)
class _Chunk:
    bad: list[tuple[str, str]]  # (name, reason)
    sums: np.ndarray  # (n, C)
    digests: np.ndarray  # (n, 16)
    checksums: list[int]


def build_entry(
    folder: Path, source: Source, names: Names, options: DecodeOptions, workers: int | None
) -> None:
    """Decode files into a new entry at `folder`, which must exist and be empty.

    :param names: files of source, in the order of the rows.
    :param workers: threads; None: one per processor that this process may use.
    :raises DataError: all files are bad, or one is and the options are strict.
    :raises OSError: the entry cannot be written.
    """
    shape = *options.image_sides, options.channels
    chunks: list[_Chunk] = []
    tasks = (list(names[start : start + _CHUNK]) for start in range(0, len(names), _CHUNK))
    decode = partial(_decode, source, options=options)
    with _keeping(folder, shape, options) as keep, DecodeBar(len(names)) as bar:
        for pixels, chunk in in_order(decode, tasks, workers):
            if options.strict and chunk.bad:
                raise DataError(_first_bad(source, chunk.bad[0]))
            keep(pixels)
            chunks.append(chunk)
            bar.advance(len(chunk.sums) + len(chunk.bad))
        bad = [entry for chunk in chunks for entry in chunk.bad]
        if len(bad) == len(names):
            raise DataError(f"none of {len(names)} files can be decoded; {_first_bad(source, bad[0])}")
    _save(folder / SUMS, [chunk.sums for chunk in chunks])
    _save(folder / DIGESTS, [chunk.digests for chunk in chunks])
    checksum = checksum_of([number for chunk in chunks for number in chunk.checksums])
    _write_manifest(folder, bad, checksum)


@contextlib.contextmanager
def _keeping(folder: Path, shape: tuple[int, ...], options: DecodeOptions) -> Iterator[Callable[..., None]]:
    """Yield a function that appends images (n, H, W, C) to the file of decoded images, if there is to be one."""
    if options.store == "files":
        yield lambda pixels: None
        return
    count = 0

    def write(pixels: np.ndarray) -> None:
        nonlocal count
        count += len(pixels)
        file.write(pixels.data)

    with open(folder / IMAGES, "wb") as file:
        file.write(_npy_header(0, shape))
        yield write
        file.seek(0)
        file.write(_npy_header(count, shape))
        _to_disk(file)


def checksum_of(checksums: list[int]) -> str:
    """Return one hex digest of the CRC-32 of each image, in order."""
    return hashlib.sha256(np.array(checksums, dtype=np.uint32).tobytes()).hexdigest()


def _decode(source: Source, names: list[str], options: DecodeOptions) -> tuple[np.ndarray, _Chunk]:
    """Return the pixels (n, H, W, C) of the good files, and the rest that is kept of them."""
    size, channels, fit = options.image_size, options.channels, options.resize
    pixels = np.empty((len(names), *options.image_sides, channels), np.uint8)
    bad: list[tuple[str, str]] = []
    for row, name in enumerate(names):
        try:
            pixels[row - len(bad)] = read_resized(source.read(name), size, channels=channels, fit=fit)
        except ImageError as error:
            bad.append((name, str(error)))
    pixels = pixels[: len(names) - len(bad)]
    # Summing over both axes at once takes 20 times as long.
    sums = pixels.sum(axis=1, dtype=np.uint32).sum(axis=1, dtype=np.int64)
    checksums = [zlib.crc32(image.data) for image in pixels]
    return pixels, _Chunk(bad, sums, pixel_digests(pixels), checksums)


def _save(path: Path, arrays: list[np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.save(file, np.concatenate(arrays))
        _to_disk(file)


def _write_manifest(folder: Path, bad: list[tuple[str, str]], checksum: str) -> None:
    manifest: dict[str, Any] = {
        "bad": bad,
        "checksum": checksum,
        "sha256": {name: file_digest(folder / name) for name in (SUMS, DIGESTS)},
    }
    if (folder / IMAGES).exists():
        status = os.stat(folder / IMAGES)
        manifest |= {"images_bytes": status.st_size, "images_mtime_ns": status.st_mtime_ns}
    with open(folder / MANIFEST, "w", encoding="utf-8") as file:
        json.dump(manifest, file)
        _to_disk(file)


def _npy_header(num_images: int, shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file (format 1.0), with the same length for any number of images."""
    fields = repr({"descr": "|u1", "fortran_order": False, "shape": (num_images, *shape)})
    start = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
    return start + fields.ljust(_HEADER_BYTES - 11).encode("ascii") + b"\n"


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _first_bad(source: Source, bad: tuple[str, str]) -> str:
    name, reason = bad
    return f"'{escape_name(name)}' in '{source}': {reason}; repair or remove it"


class DecodeBar:
    """A progress bar that appears on a terminal if the work takes a while."""

    def __init__(self, total: int, title: str = "Decoding images"):
        self._title, self._total, self._done = title, total, 0
        self._bar: Any = None
        is_terminal = getattr(sys.stdout, "isatty", bool)()  # a replaced stream may lack it
        self._show_at = time.monotonic() + _BAR_AFTER if is_terminal else float("inf")

    def advance(self, count: int) -> None:
        """Add to the number of processed files."""
        self._done += count
        if self._bar is None and time.monotonic() >= self._show_at:
            from rich.progress import Progress  # slow to import

            self._bar = Progress(transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)

    def __enter__(self) -> "DecodeBar":
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.stop()
