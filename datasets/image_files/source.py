"""Define a source of images: its files, listed once and told apart by their kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from datasets.images.formats import IMAGE, OTHER, UNDECODED

NO_SIZE = -1  # of a folder, of a file that is not an image, and where the size cannot be had
FOLDER = "folder"
_IGNORED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})


@dataclass(frozen=True)
class SourceFile:
    """One file, or one folder.

    :param name: path below the source's root, with forward slashes.
    :param size: bytes of an image; -1 if it cannot be looked at.
    :param stamp: of an image in a folder: when its content or its state last changed, in ns; of one in a zip
        archive: its CRC.
    :param kind: IMAGE, UNDECODED or OTHER of `datasets.images.formats`, or a folder.
    """

    name: str
    size: int
    stamp: int
    kind: str = IMAGE


class Source:
    """The files under one root, listed once; hidden files and those that file managers leave are ignored.

    The suffix tells which files are images. Where it is missing or unknown, the first bytes tell it.
    """

    def __init__(self, path: Path):
        self.path = path

    @property
    def identity(self) -> str:
        """Return what tells two sources apart that have the same names, sizes and stamps."""
        raise NotImplementedError

    def files(self) -> list[SourceFile]:
        """Return all image files, sorted by name."""
        return [file for file in self._listing if file.kind == IMAGE]

    def undecoded(self) -> list[str]:
        """Return the names of images in formats that this project does not decode, sorted."""
        return self._names(UNDECODED)

    def others(self) -> list[str]:
        """Return the names of files that are not images, sorted."""
        return self._names(OTHER)

    def empty_folders(self) -> list[str]:
        """Return the names of the topmost folders without any file, sorted; of an archive, those that it lists."""
        holding = {file.name.rpartition("/")[0] for file in self._listing if file.kind != FOLDER}
        filled = {str(folder) for name in holding for folder in _with_parents(name)}
        empty = set(self._names(FOLDER)) - filled
        return sorted(name for name in empty if len(empty.intersection(map(str, _with_parents(name)))) == 1)

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; any number of threads may read at once.

        :raises ImageError: the file cannot be read.
        """
        raise NotImplementedError

    def found(self) -> str:
        """Return the first things in it, image or not, for a message."""
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
    """Return whether a file or folder is one that file managers leave, or hidden."""
    return name.startswith(".") or name.lower() in _IGNORED


def _with_parents(folder: str) -> list[PurePosixPath]:
    path = PurePosixPath(folder)
    return [path, *path.parents]
