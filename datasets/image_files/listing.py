"""Hold what a source of images lists in columns, for sources of a million files."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np

from datasets.images.formats import IMAGE, OTHER, UNDECODED
from datasets.storage.names import Names, are_sorted, sorted_rows

NO_SIZE = -1  # of folders, of files that are not images, and of inaccessible files
FOLDER = "folder"
OTHER_KINDS = (UNDECODED, OTHER, FOLDER)
_MOST = 2**63 - 1  # in a column


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
    """The images of a source in columns: these take 24 to 28 bytes for each image, besides the letters of its name.

    :param names: N names, sorted.
    :param sizes: (N,) int64, and `stamps` (int64) and `archives` (int32), as in `SourceFile`.
    """

    def __init__(self, names: Names, sizes: np.ndarray, stamps: np.ndarray, archives: np.ndarray) -> None:
        self.names, self.sizes, self.stamps, self.archives = names, sizes, stamps, archives

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

    def rows_of(self, names: Sequence[str]) -> np.ndarray | slice:
        """Return the index (M,) of each of some names, which are sorted; of all of them a slice."""
        if len(names) == len(self):
            return slice(None)
        listed = enumerate(self.names)
        return np.array([next(row for row, name in listed if name == wanted) for wanted in names], np.intp)


class Listing(NamedTuple):
    """All that a source lists.

    :ivar others: the sorted names of the files and folders of each of `OTHER_KINDS`.
    """

    images: ImageFiles
    others: Mapping[str, Names]

    @classmethod
    def of(cls, files: Iterable[SourceFile]) -> "Listing":
        """Sort files and folders, which come in any order."""
        sizes, stamps, archives = array("q"), array("q"), array("i")
        others: dict[str, list[str]] = {kind: [] for kind in OTHER_KINDS}

        def images() -> Iterator[str]:
            for name, size, stamp, kind, archive in files:
                if kind == IMAGE:
                    sizes.append(min(size, _MOST))  # a zip archive may state any 64 bits
                    stamps.append((stamp + _MOST + 1) % 2**64 - _MOST - 1)  # a time may be after 2262
                    archives.append(archive)
                    yield name
                else:
                    others[kind].append(name)

        names = Names.of(images())
        columns = [np.asarray(column) for column in (sizes, stamps, archives)]
        if not are_sorted(names):
            rows = sorted_rows(names)
            names, columns = names[rows], [column[rows] for column in columns]
        sorted_others = {kind: Names.of(sorted(names)) for kind, names in others.items()}
        return cls(ImageFiles(names, *columns), sorted_others)
