"""Give TensorFlow paths that mean the same to it as to the system.

TensorFlow reads the prefix of a checkpoint as a pattern, in which brackets, `*`, `?` and `\\` have special
meanings, and reads names as UTF-8. So it can write a checkpoint in `runs/lr=[0.1]`, but cannot read it.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
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
        with _path_errors(folder):
            other = stack.enter_context(_temporary_folder()) / "folder"
            is_link = _linked(other, folder)
        yield other.as_posix()
        if not is_link:
            for path in other.iterdir():
                if not (folder / path.name).exists():
                    shutil.copyfile(path, folder / path.name)


@contextlib.contextmanager
def plain_prefix(prefix: Path, files: Iterable[Path]) -> Iterator[str]:
    """Yield a prefix by which TensorFlow finds a checkpoint: its own if that is plain, else that of links.

    :param files: the checkpoint's files, whose names begin with the prefix.
    :raises PathError: there is no place for the links.
    """
    if is_plain(prefix.name):
        with plain_folder(prefix.parent) as plain:
            yield f"{plain}/{prefix.name}"
        return
    with contextlib.ExitStack() as stack:
        with _path_errors(prefix):
            folder = stack.enter_context(_temporary_folder())
            for file in files:
                _linked(folder / f"model{file.name.removeprefix(prefix.name)}", file)
        yield f"{folder.as_posix()}/model"


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="sessionnet-", dir=_plain_root(), ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


@contextlib.contextmanager
def _path_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PathError(
            f"TensorFlow cannot use the path {path}, and no link to it can be made ({error}); set TMPDIR to "
            "a folder with a plain name and some room, or rename this one"
        ) from error


def _plain_root() -> str:
    """Return the folder for temporary files, or another one if its path is not plain."""
    roots = tempfile.gettempdir(), os.path.join(os.sep, "tmp"), os.path.join(os.sep, "var", "tmp")
    return next(filter(is_plain, roots), roots[0])


def _linked(other: Path, original: Path) -> bool:
    """Make `other` a link to a folder or file, or else a copy; return whether it is a link."""
    try:
        other.symlink_to(original.absolute(), target_is_directory=original.is_dir())
        return True
    except (OSError, NotImplementedError):  # a system or a file system without links
        # A checkpoint that was dropped meanwhile is not copied: TensorFlow reports it as missing.
        with contextlib.suppress(FileNotFoundError):
            (shutil.copytree if original.is_dir() else shutil.copyfile)(original, other)
        return False
