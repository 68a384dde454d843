"""Find the images that a command line names, before TensorFlow is imported."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from datasets.errors import DataError
from datasets.image_files.folder_or_zip import FolderSource, Source, open_source
from datasets.image_files.tar_shards import TarSource, check_not_compressed
from datasets.image_files.unused_files import warn_of_left_out
from datasets.images.formats import IMAGE_SUFFIXES

ARCHIVES = (".zip", ".tar")  # suffixes of files whose images are labelled


class ImageFile(NamedTuple):
    """An image to label: its name, and a function that reads its bytes or raises DataError."""

    name: str
    read: Callable[[], bytes]


def image_files(paths: Sequence[str]) -> list[ImageFile]:
    """Return the files at `paths`, and those in the folders and archives (zip, tar) there, in order.

    Folders and archives are listed by the same rules as training data.

    :raises DataError: a path does not exist or is a compressed tar archive, or there are no images.
    """
    found: list[ImageFile] = []
    for path in map(Path, paths):
        if path.is_dir() or (path.suffix.lower() in ARCHIVES and path.is_file()):
            source = open_source(path)
            warn_of_left_out(source)
            found.extend(
                ImageFile(_shown(path, source, row, name), partial(source.read, name))
                for row, name in enumerate(source.files().names)
            )
        elif path.exists() or path.is_symlink():
            check_not_compressed(path)
            # By the rules of a folder, which neither wait for a pipe nor read a file that is too large.
            found.append(ImageFile(str(path), partial(FolderSource(path.parent).read, path.name)))
        else:
            raise DataError(f"there is no file or folder {path}; give images or folders of images")
    if not found:
        raise DataError(f"no images in {', '.join(paths)}; known are {' '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def _shown(path: Path, source: Source, row: int, name: str) -> str:
    """Return the path of a file; in a tar archive, the archive's path with the member's class and name."""
    if not isinstance(source, TarSource):
        return str(path / name)
    archive, (*folders, base) = source.archive_of(row), name.split("/")
    place = len(folders) - 1 - folders[::-1].index(archive.stem)  # a class may have the name of the archive
    return str(archive.joinpath(*folders[:place], *folders[place + 1 :], base))
