"""Keep in the cache what sources list: archives for later runs, a folder for the other workers of one start.

Reading the headers of a million files in archives takes a minute, and workers that list a large folder at the same
time hold each other up. A kept listing is mapped, so that the processes of a machine share its memory. Its file
holds arrays in NumPy's format, each at a multiple of 64 bytes, and at the end a SHA-256 of the rest.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from datasets.image_files.listing import OTHER_KINDS, ImageFiles, Listing
from datasets.storage.atomic import remove_abandoned, replacing
from datasets.storage.cache_folders import cache_folders
from datasets.storage.names import Names

FOLDER_NAME = "listings"  # in the cache
START = (
    "SESSIONNET_START"  # processes with the same value of this variable list a folder once, for all of them
)
_VERSION = 2  # increased when sources are listed in another way, or listings have another form
_ALIGNMENT = 64
_DIGEST_BYTES = 32
_WAIT = 3600.0  # seconds for another process that lists the same source


class KeptListings:
    """What sources list, as long as they stay as they are.

    :param cache_dir: as `datasets.options.loading.DecodeOptions.cache_dir`; listings are in its folder FOLDER_NAME.
    """

    def __init__(self, cache_dir: Path | str | None) -> None:
        self._cache_dir = cache_dir

    def listing(self, source: str, facts: Any, make: Callable[[], Listing]) -> Listing:
        """Return what a source lists; if its kept listing is missing, damaged or older, list and keep it.

        Of several processes one makes the listing, and the others wait for it.

        :param source: what distinguishes sources that exist at the same time.
        :param facts: what the listing depends on, as JSON can hold it; None: do not keep it.
        """
        if facts is None:
            return make()
        name = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        text = json.dumps([_VERSION, source, facts])
        for root in cache_folders(self._cache_dir):
            path = root / FOLDER_NAME / name
            if listing := _read(path, text):
                return listing
        with _locked(path):
            listing = _read(path, text)
            if listing is None:
                listing = make()
                with contextlib.suppress(
                    OSError
                ):  # a cache that cannot be written is reported with the images
                    _write(path, text, listing)
                    listing = _read(path, text) or listing
        return listing


def this_start() -> str | None:
    """Return what the workers of one start have in common, or None for a process that was started alone."""
    return os.environ.get(START)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from making a listing; where files cannot be locked, every process makes its own."""
    lock = FileLock(f"{path}.lock", timeout=_WAIT)
    with contextlib.suppress(OSError, NotImplementedError, Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write(path: Path, facts: str, listing: Listing) -> None:
    images = listing.images
    columns = [np.frombuffer(facts.encode(), np.uint8)]
    columns += [*images.names.columns(), images.sizes, images.stamps, images.archives]
    columns += [column for kind in OTHER_KINDS for column in listing.others[kind].columns()]
    remove_abandoned(path.parent)
    with replacing(path) as temporary, open(temporary, "w+b") as file:
        for column in columns:
            np.save(file, column, allow_pickle=False)
            file.write(bytes(-file.tell() % _ALIGNMENT))
        file.write(_digest(np.memmap(file, np.uint8, "r")))


def _read(path: Path, facts: str) -> Listing | None:
    """Return a kept listing, or None if it is missing, damaged, or that of other facts."""
    try:
        columns = _mapped(path)
        if next(columns).tobytes() != facts.encode():
            return None
        images = ImageFiles(Names(next(columns), next(columns)), next(columns), next(columns), next(columns))
        return Listing(images, {kind: Names(next(columns), next(columns)) for kind in OTHER_KINDS})
    except (OSError, ValueError, TypeError, EOFError, StopIteration):
        return None


def _mapped(path: Path) -> Iterator[np.ndarray]:
    """Yield the columns of a listing, mapped.

    :raises ValueError: it is damaged.
    """
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    end = len(content) - _DIGEST_BYTES
    if content[end:].tobytes() != _digest(content[:end]):
        raise ValueError(f"{path} is damaged")
    with open(path, "rb") as file:
        while file.tell() < end:
            np.lib.format.read_magic(file)
            (count,), _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            column = content[start : start + count * dtype.itemsize]
            yield column.view(dtype)
            file.seek(start + len(column) + -(start + len(column)) % _ALIGNMENT)


def _digest(content: np.ndarray) -> bytes:
    return hashlib.sha256(content.data).digest()
