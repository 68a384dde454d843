"""Define a source of images: its files, listed once with their kinds."""

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple, overload

import numpy as np

from datasets.errors import DataError, escape_name
from datasets.images.formats import IMAGE, OTHER, UNDECODED
from datasets.storage.names import Names, sorted_rows

NO_SIZE = -1  # of folders, of files that are not images, and of inaccessible files
FOLDER = "folder"
_MOST = 2**63 - 1  # in a column
_IGNORED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})


def parts_of(name: str) -> tuple[str, ...]:
    """Return the folders and the last name of a path below a root; faster than pathlib, for millions of names."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


class SourceFile(NamedTuple):
    """A file or a folder.

    :param name: path below the source's root, with forward slashes.
    :param size: bytes of an image, or NO_SIZE.
    :param stamp: of an image in a folder: when it last changed, in ns; in a zip archive: its CRC; in a tar archive:
        the position of its first byte.
    :param kind: IMAGE, UNDECODED or OTHER of `datasets.images.formats`, or FOLDER.
    :param archive: number of the tar archive that holds the file.
    """

    name: str
    size: int
    stamp: int
    kind: str = IMAGE
    archive: int = 0


class ImageFiles(Sequence[SourceFile]):
    """The images of a source, sorted by name, in columns: these take 28 bytes for each image and its name.

    :param names: N names in any order.
    :param sizes: (N,), and `stamps` and `archives`, as in `SourceFile`.
    """

    def __init__(self, names: Names, sizes: np.ndarray, stamps: np.ndarray, archives: np.ndarray) -> None:
        rows = sorted_rows(names)
        self.names, self.sizes = names[rows], sizes[rows]
        self.stamps, self.archives = stamps[rows], archives[rows]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, key: int) -> SourceFile: ...

    @overload
    def __getitem__(self, key: slice) -> list[SourceFile]: ...

    def __getitem__(self, key: int | slice) -> SourceFile | list[SourceFile]:
        if isinstance(key, slice):
            return [self[row] for row in range(len(self))[key]]
        size, stamp, archive = (int(column[key]) for column in (self.sizes, self.stamps, self.archives))
        return SourceFile(self.names[key], size, stamp, IMAGE, archive)

    def rows_of(self, names: Sequence[str]) -> np.ndarray:
        """Return the index (M,) of each of some names, which are sorted."""
        if len(names) == len(self):
            return np.arange(len(self))
        listed = enumerate(self.names)
        return np.array([next(row for row, name in listed if name == wanted) for wanted in names], np.intp)


class _Listing(NamedTuple):
    """All that a source holds: its images, and the sorted names of the files and folders of each other kind."""

    images: ImageFiles
    others: dict[str, Names]


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

    def files(self) -> ImageFiles:
        """Return all image files, sorted by name."""
        return self._listing.images

    def undecoded(self) -> Names:
        """Return the names of images whose formats are not decoded, sorted."""
        return self._listing.others[UNDECODED]

    def others(self) -> Names:
        """Return the names of files that are not images, sorted."""
        return self._listing.others[OTHER]

    def empty_folders(self) -> list[str]:
        """Return the names of the topmost folders without any file, sorted; of an archive, those that it lists."""
        folders = set(self._listing.others[FOLDER])
        if not folders:
            return []
        listed = (self.files().names, self.undecoded(), self.others())
        holding = {name.rpartition("/")[0] for names in listed for name in names}
        empty = folders - {str(folder) for name in holding for folder in PurePosixPath(name, "_").parents}
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
    def _listing(self) -> _Listing:
        sizes, stamps, archives = array("q"), array("q"), array("i")
        others: dict[str, list[str]] = {UNDECODED: [], OTHER: [], FOLDER: []}

        def images() -> Iterator[str]:
            for name, size, stamp, kind, archive in self._list():
                if kind == IMAGE:
                    sizes.append(min(size, _MOST))  # a zip archive may state any 64 bits
                    stamps.append((stamp + _MOST + 1) % 2**64 - _MOST - 1)  # a time may be after 2262
                    archives.append(archive)
                    yield name
                else:
                    others[kind].append(name)

        files = ImageFiles(Names.of(images()), np.array(sizes), np.array(stamps), np.array(archives))
        if twin := next((one for one, other in pairwise(files.names) if one == other), None):
            raise DataError(f"'{self}' holds two images named '{escape_name(twin)}'; rename one of the two")
        return _Listing(files, {kind: Names.of(sorted(names)) for kind, names in others.items()})

    def _list(self) -> Iterator[SourceFile]:
        """Yield every file and folder that is not ignored, in any order."""
        raise NotImplementedError


def is_ignored(name: str) -> bool:
    """Return whether a file or folder is hidden or left by a file manager."""
    return name.startswith(".") or name.lower() in _IGNORED
