"""Define a source of images: its files, listed once with their kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from datasets.errors import escape_name
from datasets.images.formats import IMAGE, OTHER, UNDECODED

NO_SIZE = -1  # of folders, of files that are not images, and of inaccessible files
FOLDER = "folder"
_IGNORED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})


def parts_of(name: str) -> tuple[str, ...]:
    """Return the folders and the last name of a path below a root; faster than pathlib, for millions of names."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file or a folder.

    :param name: path below the source's root, with forward slashes.
    :param size: bytes of an image, or NO_SIZE.
    :param stamp: of an image in a folder: when it last changed, in ns; of one in a zip archive: its CRC.
    :param kind: IMAGE, UNDECODED or OTHER of `datasets.images.formats`, or FOLDER.
    """

    name: str
    size: int
    stamp: int
    kind: str = IMAGE


class Source:
    """The files under one root, without hidden files and those that file managers leave.

    Images are recognized by the suffix, or if it is missing or unknown, by the first bytes.
    """

    def __init__(self, path: Path):
        self.path = path

    def __str__(self) -> str:
        return escape_name(self.path)

    @property
    def identity(self) -> str:
        """Return what distinguishes sources with the same names, sizes and stamps."""
        raise NotImplementedError

    def files(self) -> list[SourceFile]:
        """Return all image files, sorted by name."""
        return [file for file in self._listing if file.kind == IMAGE]

    def undecoded(self) -> list[str]:
        """Return the names of images whose formats are not decoded, sorted."""
        return self._names(UNDECODED)

    def others(self) -> list[str]:
        """Return the names of files that are not images, sorted."""
        return self._names(OTHER)

    def empty_folders(self) -> list[str]:
        """Return the names of the topmost folders without any file, sorted; of an archive, those that it lists."""
        holding = {file.name.rpartition("/")[0] for file in self._listing if file.kind != FOLDER}
        filled = {str(folder) for name in holding for folder in PurePosixPath(name, "_").parents}
        empty = set(self._names(FOLDER)) - filled
        return sorted(name for name in empty if empty.isdisjoint(map(str, PurePosixPath(name).parents)))

    def read(self, name: str) -> bytes:
        """Return the bytes of one file. Several threads may read at once.

        :raises ImageError: the file cannot be read.
        """
        raise NotImplementedError

    def found(self) -> str:
        """Return the names of the first entries, images or not, for a message."""
        raise NotImplementedError

    @cached_property
    def _listing(self) -> list[SourceFile]:
        return sorted(self._list(), key=lambda file: file.name)

    def _names(self, kind: str) -> list[str]:
        return [file.name for file in self._listing if file.kind == kind]

    def _list(self) -> Iterator[SourceFile]:
        """Yield every file and folder that is not ignored, in any order."""
        raise NotImplementedError


def is_ignored(name: str) -> bool:
    """Return whether a file or folder is hidden or left by a file manager."""
    return name.startswith(".") or name.lower() in _IGNORED
