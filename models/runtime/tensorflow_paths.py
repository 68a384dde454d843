"""Give TensorFlow paths that mean the same to it as to the system.

TensorFlow reads the prefix of a checkpoint as a pattern, in which brackets, `*`, `?` and `\\` have special
meanings, and reads names as UTF-8. So it can write a checkpoint in `runs/lr=[0.1]`, but cannot read it.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PATTERN = frozenset("*?[]\\")


class PathError(Exception):
    """TensorFlow cannot use a path, and there is no place for a link to it."""

    exit_code = 6  # as for other failures of storage


def is_plain(path: str | os.PathLike[str]) -> bool:
    """Return whether TensorFlow finds the same at this path as the system."""
    text = Path(path).as_posix()
    try:
        same_bytes = os.fsencode(text) == text.encode("utf-8")
    except UnicodeEncodeError:  # not valid UTF-8
        same_bytes = False
    return same_bytes and not _PATTERN & set(text)


@contextlib.contextmanager
def plain_folder(folder: Path) -> Iterator[str]:
    """Yield a path by which TensorFlow finds an existing folder: its own if that is plain, else that of a link.

    The link is removed at the end. If no link can be made, the path is that of a copy, whose new files are
    copied into the folder at the end.

    :raises PathError: there is no place for the link.
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
            raise PathError(
                f"TensorFlow cannot use the path {folder}, and no link to it can be made ({error}); let TMPDIR be "
                "a folder with a plain name and some room, or rename this one"
            ) from error
        yield other.as_posix()
        if not is_link:
            for path in other.iterdir():
                if not (folder / path.name).exists():
                    shutil.copyfile(path, folder / path.name)


def _plain_root() -> str:
    """Return the folder for temporary files, or another one if its path is not plain."""
    roots = tempfile.gettempdir(), os.path.join(os.sep, "tmp"), os.path.join(os.sep, "var", "tmp")
    return next(filter(is_plain, roots), roots[0])


def _linked(other: Path, folder: Path) -> bool:
    """Make `other` a link to `folder`, or else a copy; return whether it is a link."""
    try:
        other.symlink_to(folder.absolute(), target_is_directory=True)
        return True
    except (OSError, NotImplementedError):  # a system or a file system without links
        # A checkpoint that was dropped meanwhile is not copied: TensorFlow reports it as missing.
        with contextlib.suppress(FileNotFoundError):
            shutil.copytree(folder, other)
        return False
