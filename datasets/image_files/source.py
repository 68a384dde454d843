"""Define a source of images: its files, listed once with their kinds."""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from datasets.errors import DataError, escape_name
from datasets.image_files.kept_listings import KeptListings
from datasets.image_files.listing import FOLDER, ImageFiles, Listing, SourceFile
from datasets.images.formats import OTHER, UNDECODED
from datasets.storage.names import Names

_IGNORED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})


def parts_of(name: str) -> tuple[str, ...]:
    """Return the folders and the last name of a path below a root; faster than pathlib, for millions of names."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


class Source:
    """The files under one root, without hidden files and those that file managers leave.

    Images are recognized by the suffix, or if it is missing or unknown, by the first bytes.

    :param kept: listings in the cache; None: the files are listed by every process.
    """

    def __init__(self, path: Path, kept: KeptListings | None = None) -> None:
        self.path, self._kept = path, kept

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
    def _listing(self) -> Listing:
        if self._kept is None:
            return self._listed()
        return self._kept.listing(self.path.resolve(), self._state(), self._listed)

    def _listed(self) -> Listing:
        listing = Listing.of(self._list())
        if twin := next((one for one, other in pairwise(listing.images.names) if one == other), None):
            raise DataError(f"'{self}' holds two images named '{escape_name(twin)}'; rename one of the two")
        return listing

    def _state(self) -> Any:
        """Return what a listing depends on besides the path, as JSON can hold it; None if it cannot be kept."""
        return None

    def _list(self) -> Iterator[SourceFile]:
        """Yield every file and folder that is not ignored, in any order."""
        raise NotImplementedError


def is_ignored(name: str) -> bool:
    """Return whether a file or folder is hidden or left by a file manager."""
    return name.startswith(".") or name.lower() in _IGNORED
