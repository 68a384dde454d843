"""Keep the listings of tar archives in the cache, since reading the headers of a million files takes a minute."""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from datasets.image_files.source import FOLDER, SourceFile
from datasets.images.formats import IMAGE, IMAGE_SUFFIXES, OTHER, UNDECODED
from datasets.storage.atomic import remove_abandoned, replacing
from datasets.storage.cache_folders import cache_folders
from datasets.storage.names import Names

FOLDER_NAME = "listings"  # in the cache
_VERSION = 1  # increased when archives are listed in another way, or listings have another form
_KINDS = (IMAGE, UNDECODED, OTHER, FOLDER)
_DIGEST_BYTES = 32  # a SHA-256 of the rest is at the start of a listing


class KeptListings:
    """The files of archives, as long as the archives stay as they are.

    :param cache_dir: as `datasets.options.loading.DecodeOptions.cache_dir`; listings are in its folder FOLDER_NAME.
    """

    def __init__(self, cache_dir: Path | str | None) -> None:
        self._cache_dir = cache_dir

    def files(self, archive: Path, list_files: Callable[[Path], Iterable[SourceFile]]) -> list[SourceFile]:
        """Return the files of an archive from its listing; if this is missing or damaged, list and keep them."""
        name = _file_name(archive)  # the archive may change while it is listed
        for root in cache_folders(self._cache_dir):
            files = _read(root / FOLDER_NAME / name)
            if files is not None:
                return files
        files = list(list_files(archive))
        with contextlib.suppress(OSError):  # a cache that cannot be written is reported with the images
            _write(root / FOLDER_NAME / name, files)
        return files


def _read(path: Path) -> list[SourceFile] | None:
    """Return a listing, or None if it is missing or damaged."""
    try:
        content = path.read_bytes()
        digest, columns = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return _files(columns) if hashlib.sha256(columns).digest() == digest else None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, zipfile.BadZipFile):
        return None


def _write(path: Path, files: Sequence[SourceFile]) -> None:
    columns = _columns(files)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(columns).digest() + columns)


def _file_name(archive: Path) -> str:
    """Return the name of the listing of an archive as it is now."""
    status = archive.stat()
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    facts = [_VERSION, str(archive.resolve()), status.st_size, changed, sorted(IMAGE_SUFFIXES)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _columns(files: Sequence[SourceFile]) -> bytes:
    """Return the columns of a listing as the bytes of a .npz file."""
    text, content = "".join(file.name for file in files), io.BytesIO()
    np.savez(
        content,
        text=np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8),
        lengths=np.array([len(file.name) for file in files], np.int64),  # characters
        sizes=np.array([file.size for file in files], np.int64),
        stamps=np.array([file.stamp for file in files], np.int64),
        kinds=np.array([_KINDS.index(file.kind) for file in files], np.uint8),
    )
    return content.getvalue()


def _files(columns: bytes) -> list[SourceFile]:
    """Return the listing that `_columns` turned into bytes."""
    with np.load(io.BytesIO(columns), allow_pickle=False) as found:
        text = found["text"].tobytes().decode("utf-8", "surrogatepass")
        ends = np.cumsum(found["lengths"])
        names = Names(text, ends - found["lengths"], ends)
        sizes, stamps, kinds = (found[name].tolist() for name in ("sizes", "stamps", "kinds"))
        return [
            SourceFile(name, size, stamp, _KINDS[kind])
            for name, size, stamp, kind in zip(names, sizes, stamps, kinds, strict=True)
        ]
