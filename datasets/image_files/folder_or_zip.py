"""List the files of a folder or a zip archive, and read their bytes.

A zip archive is read in memory, member by member; it is never extracted, so no name can lead out of a folder.
"""

import errno
import io
import logging
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from datasets.download.verification import check_official
from datasets.errors import DataError, StorageError, escape_name, shortened
from datasets.image_files.kept_listings import KeptListings, this_launch
from datasets.image_files.listing import FOLDER, NO_SIZE, SourceFile
from datasets.image_files.source import Source, is_ignored
from datasets.image_files.tar_shards import SUFFIX as TAR
from datasets.image_files.tar_shards import TarSource, check_not_compressed, shards_in
from datasets.images.decode import ImageError
from datasets.images.formats import (
    IMAGE,
    OTHER,
    START_BYTES,
    KindsByContent,
    kind_by_name,
    kind_by_start,
    suffix_of,
)
from datasets.storage.paths import expanded

MAX_FILE_BYTES = 72 * 2**20  # enough for 24 million uncompressed pixels
_CHUNK = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # with others zipfile unpacks a member at once
_MEMBER_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
_UNREADABLE = (errno.EACCES, errno.EPERM, errno.EIO)  # of an existing file
_PACKED = "train.zip"  # in Kaggle's unzipped download, beside test1.zip and a table

logger = logging.getLogger(__name__)


class FolderSource(Source):
    """The files of a folder and its subfolders. Links are followed, but not in a loop."""

    @property
    def identity(self) -> str:
        return str(self.path.resolve())

    def read(self, name: str) -> bytes:
        path = self.path / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("cannot be read (not a regular file)")
            _check_size(status.st_size)
            return path.read_bytes()
        except OSError as error:
            _check_resources(path, error)
            raise ImageError(f"cannot be read ({error.strerror})") from error

    def found(self) -> str:
        return shortened(sorted(os.listdir(self.path)))

    def _state(self) -> Any:
        launch = this_launch()  # a folder may change at any time, so its listing is not kept for later ones
        return launch and [FOLDER, launch]

    def _list(self) -> Iterator[SourceFile]:
        return self._walk(self.path, "", frozenset(), KindsByContent())

    def _walk(
        self, folder: Path | str, prefix: str, ancestors: frozenset[tuple[int, int]], kinds: KindsByContent
    ) -> Iterator[SourceFile]:
        try:
            status = os.stat(folder)
            with os.scandir(folder) as found:
                # With its slash, a folder has the place of the names in it among those of its neighbours.
                entries = {
                    f"{entry.name}/" if _is_folder(entry) else entry.name: entry
                    for entry in found
                    if not is_ignored(entry.name)
                }
        except OSError as error:
            raise DataError(
                f"folder '{escape_name(folder)}' cannot be listed ({error.strerror}); check its permissions"
            ) from error
        if (status.st_dev, status.st_ino) in ancestors:
            return
        ancestors |= {(status.st_dev, status.st_ino)}
        if prefix:
            yield SourceFile(prefix.rstrip("/"), NO_SIZE, 0, FOLDER)
        for name in sorted(entries):
            entry, path = entries[name], prefix + name
            if name.endswith("/"):
                yield from self._walk(entry.path, path, ancestors, kinds)
            elif kind := _kind_of_entry(entry, path, kinds):
                yield _source_file(entry, path, kind)


class ZipSource(Source):
    """The members of a zip archive."""

    def __init__(self, path: Path):
        super().__init__(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DataError(
                f"'{escape_name(path)}' is not a readable zip archive ({error}); "
                "give a folder, a complete zip archive, or a tar archive that is not compressed"
            ) from error

    @property
    def identity(self) -> str:
        return ""  # the members' checksums suffice

    def read(self, name: str) -> bytes:
        member = self._archive.getinfo(name)
        if member.compress_type not in _METHODS:
            raise ImageError("is packed in the archive by another method than deflate; pack the archive anew")
        _check_size(member.file_size)
        content = io.BytesIO()
        try:
            with self._archive.open(name) as file:
                # If read at once, a member larger than it states would be unpacked whole.
                while chunk := file.read(_CHUNK):
                    content.write(chunk)
        except _MEMBER_ERRORS as error:
            raise ImageError(f"cannot be read from the archive ({error})") from error
        return content.getvalue()

    def found(self) -> str:
        return shortened(self._archive.namelist())

    def _list(self) -> Iterator[SourceFile]:
        kinds = KindsByContent()
        members = {member.filename: member for member in self._archive.infolist()}  # the last of equal names
        for name, member in members.items():
            if any(map(is_ignored, PurePosixPath(name).parts)):
                continue
            if member.is_dir():
                yield SourceFile(str(PurePosixPath(name)), NO_SIZE, 0, FOLDER)
            else:
                kind = kind_by_name(name) or kinds.kind(name, partial(self._kind_by_start, member))
                yield SourceFile(name, member.file_size, member.CRC, kind)

    def _kind_by_start(self, member: zipfile.ZipInfo) -> str:
        if member.compress_type not in _METHODS:
            return OTHER
        try:
            with self._archive.open(member) as file:
                return kind_by_start(file.read(START_BYTES))
        except _MEMBER_ERRORS:
            return OTHER


def open_source(path: Path | str, kept: KeptListings | None = None) -> Source:
    """Open a folder, a zip archive or tar archives, or the train.zip in a folder without images.

    :param kept: listings in the cache, see `Source`.
    :raises DataError: the path does not exist, is none of these, or holds only other archives; or an archive
        with an official name differs from the official file.
    """
    path = expanded(path)
    if path.is_dir():
        folder = FolderSource(path, kept)
        return folder if folder.files() else _packed(folder, kept)
    if path.exists():
        check_official(path)
        check_not_compressed(path)
        return TarSource(path, kept) if path.suffix.lower() == TAR else ZipSource(path)
    parent = path.parent
    beside = shortened(sorted(os.listdir(parent))) if parent.is_dir() else "no such folder either"
    raise DataError(
        f"no folder or archive at '{escape_name(path)}' "
        f"(in '{escape_name(parent)}': {beside}); correct the path of the images (train.py: --data-dir)"
    )


def _packed(folder: FolderSource, kept: KeptListings | None) -> Source:
    """Return the tar archives or the train.zip in a folder without images, or the folder if it has no archives."""
    names = sorted(os.listdir(folder.path))
    if shards_in(folder.path):
        return TarSource(folder.path, kept)
    archives = [name for name in names if suffix_of(name) == ".zip" and not is_ignored(name)]
    if not archives:
        for name in names:
            check_not_compressed(folder.path / name)
        return folder
    train = [name for name in archives if name.lower() == _PACKED]
    if not train:
        raise DataError(
            f"no images in '{folder}', but archives ({shortened(archives)}); "
            "give the path of the one that holds the labelled images"
        )
    logger.info("no images in '%s', so its %s is read", folder, train[0])
    return ZipSource(folder.path / train[0])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _kind_of_entry(entry: os.DirEntry[str], name: str, kinds: KindsByContent) -> str | None:
    """Return the kind of a file; None for a pipe, a device or a broken link without an image's name."""
    if kind := kind_by_name(entry.name):
        return kind
    try:
        return kinds.kind(name, partial(_kind_by_start, entry.path)) if entry.is_file() else None
    except OSError as error:
        _check_resources(entry.path, error)
        return IMAGE if error.errno in _UNREADABLE else OTHER  # reading it will give the reason


def _kind_by_start(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return kind_by_start(file.read(START_BYTES))


def _source_file(entry: os.DirEntry[str], name: str, kind: str) -> SourceFile:
    """Return a file, or the target of a link; inaccessible images are listed too, since reading them names them."""
    try:
        status = entry.stat() if kind == IMAGE else None
    except OSError:
        status = None
    if status is None:
        return SourceFile(name, NO_SIZE, 0, kind)
    return SourceFile(name, status.st_size, max(status.st_mtime_ns, status.st_ctime_ns))


def _check_resources(path: Path | str, error: OSError) -> None:
    """Raise StorageError if the system ran out of resources, which is not a fault of the file."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise StorageError(
            f"'{escape_name(path)}' cannot be read ({error.strerror}); close other programs"
        ) from error


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ImageError(f"{size} bytes are more than the {MAX_FILE_BYTES} that are read; convert it to JPEG")
