"""Give TensorFlow paths that mean the same to it as to the system.

TensorFlow takes the prefix of a checkpoint for a pattern, in which brackets, `*`, `?` and `\\` have special
meanings, and takes names for UTF-8. So a checkpoint in `runs/lr=[0.1]` can be written there, but not be read.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from learning.errors import StorageError

_PATTERN = frozenset("*?[]\\")


def is_plain(path: str | os.PathLike[str]) -> bool:
    """Return whether TensorFlow finds the same under this path as the system."""
    text = Path(path).as_posix()
    try:
        same_bytes = os.fsencode(text) == text.encode("utf-8")
    except UnicodeEncodeError:  # not valid UTF-8
        same_bytes = False
    return same_bytes and not _PATTERN & set(text)


@contextlib.contextmanager
def plain_folder(folder: Path) -> Iterator[str]:
    """Yield a path by which TensorFlow finds an existing folder: its own if that is plain, or else that of a link.

    The link is removed at the end. If no link can be made, the path is that of a copy, and the files that were
    added to it are copied into the folder at the end.

    :raises StorageError: there is no place for the link.
    """
    if is_plain(folder):
        yield folder.as_posix()
        return
    with contextlib.ExitStack() as stack:
        try:
            root = tempfile.TemporaryDirectory(
                prefix="sessionnet-", dir=_plain_root(), ignore_cleanup_errors=True
            )
            other = Path(stack.enter_context(root)) / "folder"
            is_link = _linked(other, folder)
        except OSError as error:
            raise StorageError(
                f"TensorFlow cannot use the path {folder}, and no link to it can be made ({error}); let TMPDIR be "
                "a folder with a plain name and some room, or rename this one"
            ) from error
        yield other.as_posix()
        if not is_link:
            _copy_new(other, folder)


def _plain_root() -> str:
    """Return the folder for temporary files, or another one if its path is not plain."""
    usual, others = (
        tempfile.gettempdir(),
        [os.path.join(os.sep, *parts) for parts in (("tmp",), ("var", "tmp"))],
    )
    return next((root for root in (usual, *others) if is_plain(root)), usual)


def _linked(other: Path, folder: Path) -> bool:
    """Make `other` a link to `folder`, or else a copy; return whether it is a link."""
    try:
        other.symlink_to(folder.absolute(), target_is_directory=True)
        return True
    except (OSError, NotImplementedError):  # a system or a file system without links
        # A checkpoint that was dropped meanwhile is not copied: TensorFlow says that it is not there.
        with contextlib.suppress(FileNotFoundError):
            shutil.copytree(folder, other)
        return False


def _copy_new(source: Path, target: Path) -> None:
    """Copy the files that only `source` has."""
    for path in source.iterdir():
        if not (target / path.name).exists():
            shutil.copyfile(path, target / path.name)
