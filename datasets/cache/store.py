"""Keep decoded images: a folder or an archive as a uint8 memory map that later runs open at once."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.cache.build import DIGESTS, IMAGES, MANIFEST, SUMS, build_entry, checksum_of
from datasets.errors import DataError, StorageError, escape_name
from datasets.image_files.folder_or_zip import Source
from datasets.options.loading import DecodeOptions
from datasets.storage.atomic import fsync_path
from datasets.storage.cache_folders import cache_folders
from datasets.storage.paths import file_digest

CODE_VERSION = 3  # raised when a file would decode to other pixels, or an entry has another form
_TEMPORARY = "tmp-"
_ABANDONED = 24 * 3600  # seconds after which a half-built entry no longer has an owner
_NAMED = 5  # bad files that the warning names
_ATTEMPTS = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedImages:
    """Decoded images.

    :param images: (N, size, size, C) uint8 memory map, read-only; good files only.
    :param names: the N names of the files, in the order of the rows.
    :param bad: (name, reason) of each file that was left out.
    :param sums: (N, C) int64, sums over each image's pixels.
    :param digests: (N, 16) uint8, `datasets.images.duplicates.pixel_digests` of the rows.
    :param fingerprint: hex digest of names and pixels; it does not depend on where the files lie.
    """

    images: np.memmap
    names: list[str]
    bad: list[tuple[str, str]]
    sums: np.ndarray
    digests: np.ndarray
    fingerprint: str


def load_images(
    source: Source, names: list[str], options: DecodeOptions, *, workers: int | None = None
) -> CachedImages:
    """Open the decoded images of some files, and decode them first if necessary.

    Create `cache_dir/KEY/`, where KEY stands for the names, sizes and times of the files, the size, the
    channels and the version of this code; an entry that is damaged is built again.

    :param names: files of the source, in the wanted order.
    :param workers: decoding threads; None: one per processor.
    :raises DataError: more bad files than allowed, or no good one.
    :raises StorageError: the cache cannot be written.
    """
    key = _key(source, names, options.image_size, options.channels)
    for root in cache_folders(options.cache_dir):
        images = _open_entry(root / key)
        if images is not None:
            break
    if images is None:
        try:
            images = _build(root, root / key, source, names, options, workers)
        except OSError as error:
            num_bytes = len(names) * options.image_size**2 * options.channels
            raise StorageError(_storage_message(root, num_bytes, error)) from error
    _report_bad(source, images, options)
    return images


def _key(source: Source, names: list[str], size: int, channels: int) -> str:
    files = {file.name: file for file in source.files()}
    listed = [(name, files[name].size, files[name].stamp) for name in names]
    parts = (CODE_VERSION, source.identity, size, channels, listed)
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:32]


def _open_entry(entry: Path) -> CachedImages | None:
    """Return the images of a complete, undamaged entry, or None."""
    try:
        manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        status = os.stat(entry / IMAGES)
        if status.st_size != manifest["images_bytes"]:
            return None
        if any(file_digest(entry / name) != manifest["sha256"][name] for name in (SUMS, DIGESTS)):
            return None
        images = np.load(entry / IMAGES, mmap_mode="r", allow_pickle=False)
        sums, digests = (np.load(entry / name, allow_pickle=False) for name in (SUMS, DIGESTS))
        touched = status.st_mtime_ns != manifest["images_mtime_ns"]
        if touched and checksum_of([zlib.crc32(image) for image in images]) != manifest["checksum"]:
            return None
        bad = [(name, reason) for name, reason in manifest["bad"]]
        content = json.dumps((manifest["names"], images.shape, manifest["checksum"]))
    except (OSError, ValueError, TypeError, LookupError):
        return None  # absent or damaged: the caller builds it
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    return CachedImages(images, manifest["names"], bad, sums, digests, fingerprint)


def _build(
    root: Path, entry: Path, source: Source, names: list[str], options: DecodeOptions, workers: int | None
) -> CachedImages:
    """Build beside the entry and rename; if another process was faster, use its entry."""
    root.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(root)
    temporary = root / f"{_TEMPORARY}{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        build_entry(
            temporary,
            source,
            names,
            options.image_size,
            options.channels,
            strict=options.strict,
            workers=workers,
        )
        for _ in range(_ATTEMPTS):
            images = _put_in_place(root, temporary, entry)
            if images is not None:
                return images
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    raise DataError(
        f"the cache entry '{escape_name(entry)}' is damaged again and again; "
        "remove it, or choose another --data.cache_dir"
    )


def _put_in_place(root: Path, temporary: Path, entry: Path) -> CachedImages | None:
    """Rename the new entry; an entry that is in its way is used if it is whole, and moved away if not."""
    try:
        if temporary.exists():
            os.rename(temporary, entry)
            fsync_path(root)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        images = _open_entry(entry)
        if images is None:
            aside = root / f"{_TEMPORARY}{uuid.uuid4().hex}"
            with contextlib.suppress(FileNotFoundError):  # another process may have moved it
                os.rename(entry, aside)
            _remove(aside)
        return images
    return _open_entry(entry)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_abandoned(root: Path) -> None:
    """Remove what killed builds left behind a day ago or earlier."""
    for folder in root.glob(f"{_TEMPORARY}*"):
        try:
            newest = max(path.stat().st_mtime for path in [folder, *folder.glob("*")])
        except FileNotFoundError:
            continue  # its owner is alive: it was renamed just now
        if time.time() - newest > _ABANDONED:
            shutil.rmtree(folder, ignore_errors=True)


def _storage_message(root: Path, num_bytes: int, error: OSError) -> str:
    return (
        f"the decoded images ({num_bytes / 2**20:.0f} MiB) cannot be kept in '{escape_name(root)}' "
        f"({error.strerror}); choose another folder with --data.cache_dir"
    )


def _report_bad(source: Source, images: CachedImages, options: DecodeOptions) -> None:
    """Warn about the files that were left out, or refuse to go on without them."""
    if not images.bad:
        return
    total = len(images.names) + len(images.bad)
    named = "; ".join(f"'{escape_name(name)}': {reason}" for name, reason in images.bad[:_NAMED])
    rest = len(images.bad) - _NAMED
    more = f"; and {rest} more, which python -m datasets.check names" if rest > 0 else ""
    what = f"{len(images.bad)} of {total} images in '{escape_name(source.path)}' cannot be decoded"
    if options.strict or len(images.bad) > options.max_bad_fraction * total:
        allow = "leave --data.strict out" if options.strict else "allow more with --data.max_bad_fraction"
        raise DataError(f"{what} ({named}{more}); remove them, or {allow}")
    logger.warning("%s and are left out: %s%s", what, named, more)
