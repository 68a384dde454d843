"""List the images in tar archives ("shards"), and read each from its place in the archive.

    DIR/*.tar, or one FILE.tar               members CLASS/NAME.jpg, as in a folder
    members KEY.jpg and KEY.cls              WebDataset: the text of KEY.cls is the class
    DIR/train-000000.tar, DIR/val-000000.tar, ...   the part is the first word of the archive's name

Nothing is extracted. Archives must not be compressed: a member of a compressed archive cannot be read without
those before it.
"""

import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from datasets.errors import DataError, escape_name, shortened
from datasets.image_files.folder_names import PART_OF
from datasets.image_files.kept_listings import KeptListings
from datasets.image_files.listing import NO_SIZE, SourceFile
from datasets.image_files.source import Source, is_ignored, parts_of
from datasets.images.decode import ImageError
from datasets.images.formats import (
    IMAGE,
    IMAGE_SUFFIXES,
    START_BYTES,
    KindsByContent,
    kind_by_name,
    kind_by_start,
)

SUFFIX, CLASS_SUFFIX = ".tar", ".cls"
COMPRESSED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
MOST_CLASS_BYTES = 256  # of the text of KEY.cls
MAX_MEMBER_BYTES = 72 * 2**20  # the limit of a file in a folder


class TarSource(Source):
    """The images in one tar archive, or in all those of a folder.

    The name of an image contains that of its archive, so that equal names in different archives are different
    images: [PART/][CLASS/]SHARD/NAME, or [PART/]CLASS/SHARD/[FOLDER/]NAME if KEY.cls names the class.
    """

    def __init__(self, path: Path, kept: KeptListings | None = None) -> None:
        super().__init__(path, kept)
        self._shards = [path] if path.is_file() else shards_in(path)

    @property
    def identity(self) -> str:
        """Return the paths, sizes and times of the archives."""
        found = ((path.resolve(), _status(path)) for path in self._shards)
        return repr([(str(path), status.st_size, status.st_mtime_ns) for path, status in found])

    def read(self, name: str) -> bytes:
        files = self.files()
        _, size, offset, _, shard = files[files.names.find(name)]
        if size > MAX_MEMBER_BYTES:
            raise ImageError(f"{size} bytes are more than the {MAX_MEMBER_BYTES} that are read")
        try:
            with open(self._shards[shard], "rb") as file:
                content = _bytes(file, offset, size)
        except OSError as error:
            raise ImageError(f"cannot be read from the archive ({error.strerror})") from error
        if len(content) < size:
            raise ImageError("cannot be read from the archive, which ends before it does")
        return content

    def archive_of(self, row: int) -> Path:
        """Return the archive of one of the images."""
        return self._shards[self.files().archives[row]]

    def found(self) -> str:
        return shortened([path.name for path in self._shards])

    def _state(self) -> Any:
        found = ((path.name, _status(path)) for path in self._shards)
        changed = [(name, of.st_size, max(of.st_mtime_ns, of.st_ctime_ns)) for name, of in found]
        return [changed, sorted(IMAGE_SUFFIXES)]

    def _list(self) -> Iterator[SourceFile]:
        for number, path in enumerate(self._shards):
            for file in _files_of(path):
                yield file._replace(archive=number)


def shards_in(folder: Path) -> list[Path]:
    """Return the tar archives in a folder, sorted, without hidden files."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == SUFFIX and path.is_file() and not is_ignored(path.name)
    )


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise DataError(
            f"'{escape_name(path)}' cannot be read ({error.strerror}); do not move archives while they are in use"
        ) from error


def check_not_compressed(path: Path) -> None:
    """Raise DataError for the name of a compressed tar archive."""
    if path.name.lower().endswith(COMPRESSED_SUFFIXES):
        raise DataError(
            f"'{escape_name(path)}' is compressed, so its images cannot be read individually; decompress it, and "
            "give the .tar file"
        )


def _files_of(path: Path) -> Iterator[SourceFile]:
    """Yield the files of an archive, without the texts of KEY.cls, in the order of the archive."""
    members, kinds = dict(_members(path)), KindsByContent()  # the last of equal names
    part, depth = _part_and_depth(path, members)
    with open(path, "rb") as archive:
        for name, (offset, size) in members.items():
            *folders, base = parts = parts_of(name)[depth:]
            if base.endswith(CLASS_SUFFIX) or any(map(is_ignored, parts)):
                continue
            kind = kind_by_name(name) or kinds.kind(name, partial(_kind_by_start, archive, offset))
            if label := members.get(_key(name) + CLASS_SUFFIX):
                named = (_class_of(archive, *label), path.stem, *folders, base)
            else:
                named = (*folders, path.stem, base)
            place = "/".join(filter(None, (part, *named)))
            yield SourceFile(place, size if kind == IMAGE else NO_SIZE, offset, kind)


def _bytes(archive: IO[bytes], offset: int, size: int) -> bytes:
    archive.seek(offset)
    return archive.read(size)


def _kind_by_start(archive: IO[bytes], offset: int) -> str:
    return kind_by_start(_bytes(archive, offset, START_BYTES))


def _class_of(archive: IO[bytes], offset: int, size: int) -> str:
    """Return the text of a member KEY.cls, which names the class."""
    text = _bytes(archive, offset, min(size, MOST_CLASS_BYTES)).decode("utf-8", "replace").strip()
    if not text or "/" in text or text in (".", ".."):
        raise DataError(
            f"'{escape_name(archive.name)}' has a class {text!r:.40}; a {CLASS_SUFFIX} member holds the "
            "name or the number of a class"
        )
    return text


def _members(path: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield name, offset and size of every regular file in an archive.

    :raises DataError: it is not a tar archive, it is compressed or cut off, or a name leads out of a folder.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # they would take hundreds of bytes each
                if member.size < 0:  # which may lead back to the same member, again and again
                    raise tarfile.ReadError(f"a member states {member.size} bytes")
                if not member.isreg() or member.sparse:
                    continue
                parts = parts_of(member.name)
                if member.name.startswith("/") or ".." in parts or not parts:
                    raise DataError(
                        f"'{escape_name(path)}' has a member '{escape_name(member.name)}', which leads out of its "
                        "folder; pack the archive anew"
                    )
                yield "/".join(parts), (member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(
            f"'{escape_name(path)}' cannot be read as a tar archive ({error}); give complete archives that are not "
            "compressed"
        ) from error


def _key(name: str) -> str:
    """Return what the members of one sample share: the name up to the first dot after the folder."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _part_and_depth(path: Path, members: Iterable[str]) -> tuple[str, int]:
    """Return the part that an archive's name begins with, or "", and the number of folders around all its members.

    As in a folder, one folder around all classes is skipped; one that is a part decides instead of the name.
    """
    parts = [parts_of(name) for name in members]
    tops = {names[0] for names in parts if len(names) > 1}
    if any(top.lower() in PART_OF for top in tops):
        return "", 0
    word = re.match("[a-z]+", path.stem.lower())
    part = PART_OF.get(word[0], "") if word else ""
    return part, int(len(tops) == 1 and min(map(len, parts)) > 2)
