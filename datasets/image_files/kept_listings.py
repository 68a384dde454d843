"""Cache listings: those of archives for later runs, that of a folder for the workers launched together.

Reading the headers of a million files in archives takes a minute, and workers that list a large folder at the same
time slow each other down. A kept listing is mapped, so that the processes of a machine share its memory. Its file
holds arrays in NumPy's format, each at a multiple of 64 bytes, and at the end a SHA-256 of the rest.
"""

import contextlib
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from datasets.errors import escape_name
from datasets.image_files.listing import OTHER_KINDS, ImageFiles, Listing
from datasets.storage.atomic import remove_abandoned, replacing
from datasets.storage.cache_folders import cache_folders
from datasets.storage.names import Names

FOLDER_NAME = "listings"  # in the cache
LAUNCH = (
    "SESSIONNET_LAUNCH"  # processes with the same value of this variable list a folder once, for all of them
)
_VERSION = 2  # increased when sources are listed in another way, or listings have another form
_ALIGNMENT = 64
_DIGEST_BYTES = 32
_OLD = 7 * 24 * 3600.0  # seconds after which a listing is removed if there is a newer one of its source
_PATIENCE, _WAIT = 5.0, 3600.0  # seconds to wait for another process: in silence, and in all

logger = logging.getLogger(__name__)


class KeptListings:
    """Listings of sources, valid until the source changes.

    A listing is never overwritten, since processes have it mapped until they end.

    :param cache_dir: as `datasets.options.loading.DecodeOptions.cache_dir`; listings are in its folder FOLDER_NAME.
    """

    def __init__(self, cache_dir: Path | str | None) -> None:
        self._cache_dir = cache_dir

    def listing(self, path: Path, state: Any, make: Callable[[], Listing]) -> Listing:
        """Return what there is at a path; if there is no undamaged listing of its state, list and keep it.

        Processes that need the same listing at the same time wait for the one that makes it.

        :param path: absolute.
        :param state: what the listing depends on, as JSON can hold it; None: do not keep it.
        """
        if state is None:
            return make()
        key = json.dumps([_VERSION, str(path), state])
        name = f"{_short_digest(str(path))}-{_short_digest(key)}"
        for root in cache_folders(self._cache_dir):
            file = root / FOLDER_NAME / name
            if listing := _read(file, key):
                return listing
        with _locked(file, path):
            listing = _read(file, key)
            if listing is None:
                listing = make()
                # A cache that cannot be written is reported with the images.
                with contextlib.suppress(OSError):
                    _write(file, key, listing)
                    listing = _read(file, key) or listing
        return listing


def this_launch() -> str | None:
    """Return what only the workers launched together on this machine have in common; None without such."""
    launch = os.environ.get(LAUNCH)
    return f"{launch} {platform.node()}" if launch else None


@contextlib.contextmanager
def _locked(file: Path, path: Path) -> Iterator[None]:
    """Keep other processes from making a listing; where files cannot be locked, every process makes its own."""
    lock = FileLock(f"{file}.lock", fallback_to_soft=False)
    with contextlib.suppress(OSError, NotImplementedError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            logger.warning("another process lists '%s'; waiting for it", escape_name(path))
            lock.acquire(timeout=_WAIT)
    try:
        yield
    finally:
        lock.release()


def _write(file: Path, key: str, listing: Listing) -> None:
    images = listing.images
    columns = [np.frombuffer(key.encode(), np.uint8)]
    columns += [*images.names.columns(), images.sizes, images.stamps, images.archives]
    columns += [column for kind in OTHER_KINDS for column in listing.others[kind].columns()]
    remove_abandoned(file.parent)
    with replacing(file) as temporary, open(temporary, "w+b") as stream:
        for column in columns:
            np.save(stream, column, allow_pickle=False)
            stream.write(bytes(-stream.tell() % _ALIGNMENT))
        stream.write(_digest(np.memmap(stream, np.uint8, "r")))
    _remove_old(file)


def _remove_old(file: Path) -> None:
    """Remove the older listings of a path, and their locks."""
    for other in file.parent.glob(f"{file.name.partition('-')[0]}-*"):
        with contextlib.suppress(OSError):  # removed by another process, or mapped on Windows
            if file.name not in other.name and time.time() - other.stat().st_mtime > _OLD:
                other.unlink()


def _read(file: Path, key: str) -> Listing | None:
    """Return a kept listing, or None if it is missing, damaged, or was made from another state."""
    try:
        columns = _mapped(file)
        if next(columns).tobytes() != key.encode():
            return None
        images = ImageFiles(Names(next(columns), next(columns)), next(columns), next(columns), next(columns))
        return Listing(images, {kind: Names(next(columns), next(columns)) for kind in OTHER_KINDS})
    except (OSError, ValueError, TypeError, EOFError, StopIteration):
        return None


def _mapped(file: Path) -> Iterator[np.ndarray]:
    """Yield the columns of a listing, mapped.

    :raises ValueError: it is damaged.
    """
    with open(file, "rb") as stream:
        content = np.asarray(np.memmap(stream, np.uint8, "r"))
        end = len(content) - _DIGEST_BYTES
        if content[end:].tobytes() != _digest(content[:end]):
            raise ValueError(f"{file} is damaged")
        start = 0
        while start < end:
            stream.seek(start)
            np.lib.format.read_magic(stream)
            (count,), _, dtype = np.lib.format.read_array_header_1_0(stream)
            start = stream.tell()
            stop = start + count * dtype.itemsize
            yield content[start:stop].view(dtype)
            start = stop + -stop % _ALIGNMENT


def _digest(content: np.ndarray) -> bytes:
    return hashlib.sha256(content.data).digest()


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
