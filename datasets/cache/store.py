"""Store the decoded images of a folder or an archive as a uint8 memory map for later runs."""

import contextlib
import errno
import hashlib
import json
import logging
import math
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.cache.build import DIGESTS, IMAGES, MANIFEST, SUMS, build_entry, checksum_of
from datasets.cache.on_demand import ImagesOnDemand
from datasets.errors import DataError, StorageError, escape_name
from datasets.image_files.folder_or_zip import Source
from datasets.images.array_rows import ImageRows, Images
from datasets.options.loading import DecodeOptions
from datasets.storage.atomic import fsync_path
from datasets.storage.cache_folders import cache_folders
from datasets.storage.names import Names, inside_list
from datasets.storage.paths import file_digest

CODE_VERSION = 3  # increased when files decode to other pixels, or entries have another form
_TEMPORARY = "tmp-"
_ABANDONED = 24 * 3600  # seconds after which a half-built entry counts as abandoned
_NAMED = 5  # bad files in a message
_ATTEMPTS = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedImages:
    """Decoded images.

    :param images: (N, H, W, C) uint8, read-only; good files only: a memory map, or rows that are decoded on demand.
    :param names: the N names of the files, in the order of the images.
    :param rows: the good files among all that were asked for: (N,) ascending indices, or a slice of all.
    :param bad: (name, reason) of each file that was left out.
    :param sums: (N, C) int64, sums over each image's pixels.
    :param digests: (N, 16) uint8, `datasets.images.duplicates.pixel_digests` of the rows.
    :param fingerprint: hex digest of names and pixels, independent of the folder.
    """

    images: Images
    names: Names
    rows: np.ndarray | slice
    bad: list[tuple[str, str]]
    sums: np.ndarray
    digests: np.ndarray
    fingerprint: str


def load_images(
    source: Source, names: Sequence[str], options: DecodeOptions, *, workers: int | None = None
) -> CachedImages:
    """Open the decoded images of some files, after decoding them if necessary.

    With `store: files` only their names and sums are kept, and images are decoded whenever they are asked for.

    Create `cache_dir/KEY/`, where KEY depends on the names, sizes and times of the files, the size, how it is
    reached, the channels and CODE_VERSION; a damaged entry is built again.

    :param names: files of the source, sorted.
    :param workers: decoding threads; None: one per processor.
    :raises DataError: there are more bad files than allowed, or no good one.
    :raises StorageError: the cache cannot be written.
    """
    names = Names.of(names)
    key = _key(source, names, options)
    for root in cache_folders(options.cache_dir):
        images = _open_entry(root / key, source, names, options)
        if images is not None:
            break
    if images is None:
        try:
            images = _build(root, root / key, source, names, options, workers)
        except OSError as error:
            size = len(names) * math.prod(options.image_sides) * options.channels / 2**20
            remedy = "choose another folder with --data.cache_dir"
            if options.store == "cache":
                remedy += ", or decode images when they are needed with --data.store files"
            raise StorageError(
                f"the decoded images ({size:.0f} MiB) cannot be kept in '{escape_name(root)}' "
                f"({error.strerror}); {remedy}"
            ) from error
    _report_bad(source, images, options)
    return images


def _key(source: Source, names: Names, options: DecodeOptions) -> str:
    """Return the digest of a list as JSON, which is hashed piece by piece, as it may name a million files."""
    rows = source.files().rows_of(names)
    sizes, stamps = (column[rows].data for column in (source.files().sizes, source.files().stamps))
    digest = hashlib.sha256()
    first = json.dumps([CODE_VERSION, source.identity, options.image_size, options.channels])
    digest.update(f"{first[:-1]}, [".encode("ascii"))
    for piece in inside_list(zip(names, sizes, stamps, strict=True), json.dumps):
        digest.update(piece)
    # The defaults had no name in earlier versions.
    others = [value for value in (options.resize, options.store) if value not in ("squash", "cache")]
    digest.update("".join(["]", *(f', "{value}"' for value in others), "]"]).encode("ascii"))
    return digest.hexdigest()[:32]


def _open_entry(entry: Path, source: Source, names: Names, options: DecodeOptions) -> CachedImages | None:
    """Return the images of a complete, undamaged entry, or None."""
    try:
        manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        if any(file_digest(entry / name) != manifest["sha256"][name] for name in (SUMS, DIGESTS)):
            return None
        sums, digests = (np.load(entry / name, "r", allow_pickle=False) for name in (SUMS, DIGESTS))
        bad = [(name, reason) for name, reason in manifest["bad"]]
        rows = _good_rows(names, {name for name, _ in bad})
        good = names[rows]
        images: Images | None
        if options.store == "cache":
            images = _open_pixels(entry / IMAGES, manifest)
        else:
            images = ImageRows(ImagesOnDemand(source, good, options), slice(None))
        if images is None or not len(images) == len(good) == len(sums) == len(digests):
            return None
        fingerprint = _fingerprint(good, images.shape, manifest["checksum"])
    except (OSError, ValueError, TypeError, LookupError):
        return None  # missing or damaged
    return CachedImages(images, good, rows, bad, sums, digests, fingerprint)


def _good_rows(names: Names, bad: Set[str]) -> np.ndarray | slice:
    if not bad:
        return slice(None)
    return np.flatnonzero(np.fromiter((name not in bad for name in names), bool, len(names)))


def _fingerprint(names: Names, shape: tuple[int, ...], checksum: str) -> str:
    """Return the digest of [names, shape, checksum] as JSON."""
    digest = hashlib.sha256(b"[[")
    for piece in inside_list(names, json.dumps):
        digest.update(piece)
    digest.update(f"], {json.dumps([shape, checksum])[1:]}".encode("ascii"))
    return digest.hexdigest()


def _open_pixels(path: Path, manifest: Mapping[str, Any]) -> np.memmap | None:
    """Return the memory map of the decoded images, or None if it is damaged."""
    status = os.stat(path)
    if status.st_size != manifest["images_bytes"]:
        return None
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    touched = status.st_mtime_ns != manifest["images_mtime_ns"]
    if touched and checksum_of([zlib.crc32(image) for image in images]) != manifest["checksum"]:
        return None
    return images


def _build(
    root: Path, entry: Path, source: Source, names: Names, options: DecodeOptions, workers: int | None
) -> CachedImages:
    """Build an entry under a temporary name and rename it; if another process was faster, use its entry."""
    root.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(root)
    temporary = root / f"{_TEMPORARY}{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        build_entry(temporary, source, names, options, workers)
        for _ in range(_ATTEMPTS):
            images = _put_in_place(root, temporary, entry, source, names, options)
            if images is not None:
                return images
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    raise DataError(
        f"the cache entry '{escape_name(entry)}' keeps getting damaged; "
        "remove it, or choose another --data.cache_dir"
    )


def _put_in_place(
    root: Path, temporary: Path, entry: Path, source: Source, names: Names, options: DecodeOptions
) -> CachedImages | None:
    """Rename the new entry. If another one is in its way, return it if it is complete, and else move it away."""
    try:
        if temporary.exists():
            os.rename(temporary, entry)
            fsync_path(root)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        images = _open_entry(entry, source, names, options)
        if images is None:
            aside = root / f"{_TEMPORARY}{uuid.uuid4().hex}"
            with contextlib.suppress(FileNotFoundError):  # another process may have moved it
                os.rename(entry, aside)
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink(missing_ok=True)
        return images
    return _open_entry(entry, source, names, options)


def _remove_abandoned(root: Path) -> None:
    """Remove what killed builds left over a day ago."""
    for folder in root.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):  # its owner is alive and has just renamed it
            newest = max(path.stat().st_mtime for path in [folder, *folder.glob("*")])
            if time.time() - newest > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _report_bad(source: Source, images: CachedImages, options: DecodeOptions) -> None:
    """Warn about the files that were left out; raise DataError if there are too many."""
    if not images.bad:
        return
    total = len(images.names) + len(images.bad)
    named = "; ".join(f"'{escape_name(name)}': {reason}" for name, reason in images.bad[:_NAMED])
    rest = len(images.bad) - _NAMED
    more = f"; and {rest} more, which python -m datasets.check names" if rest > 0 else ""
    what = f"{len(images.bad)} of {total} images in '{source}' cannot be decoded"
    if options.strict or len(images.bad) > options.max_bad_fraction * total:
        allow = "leave --data.strict out" if options.strict else "allow more with --data.max_bad_fraction"
        raise DataError(f"{what} ({named}{more}); remove them, or {allow}")
    logger.warning("%s and are left out: %s%s", what, named, more)
