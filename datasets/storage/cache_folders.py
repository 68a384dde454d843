"""Find the folder for decoded images: the one asked for, the user's cache, or a temporary one."""

import atexit
import functools
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from datasets.errors import StorageError, escape_name
from datasets.storage.paths import expanded

_ADVICE = "choose a folder with --data.cache_dir or $SESSIONNET_CACHE"

logger = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Return $SESSIONNET_CACHE, else sessionnet in $XDG_CACHE_HOME, else in ~/.cache.

    :raises StorageError: nobody says where, and the user has no home, as in a container.
    """
    if os.environ.get("SESSIONNET_CACHE"):
        return expanded(os.environ["SESSIONNET_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "sessionnet"
    except RuntimeError as error:
        raise StorageError(
            "this user has no home directory to keep files in; set $SESSIONNET_CACHE to a folder"
        ) from error


def cache_folders(chosen: Path | str | None) -> Iterator[Path]:
    """Yield where an entry may lie already; the last of these is where a new one is made.

    If no folder was chosen and the user's cache cannot be written, use a temporary folder for this process and
    warn.

    :param chosen: the folder asked for; None: `default_cache_dir`.
    """
    if chosen is not None or os.environ.get("SESSIONNET_CACHE"):
        yield default_cache_dir() if chosen is None else expanded(chosen)
        return
    try:
        folder = default_cache_dir()
    except StorageError:
        yield _temporary_folder()
        return
    yield folder
    if not _can_be_written(folder):
        yield _temporary_folder()


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@functools.cache
def _temporary_folder() -> Path:
    """Make a folder under a name that nobody can foresee, for this user alone."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="sessionnet-"))
    except OSError as error:
        raise StorageError(
            f"no folder for decoded images can be written ({error.strerror}); {_ADVICE}"
        ) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning(
        "there is no home directory that can be written: decoded images are kept in '%s' until this process ends; "
        "to keep them longer, %s",
        escape_name(folder),
        _ADVICE,
    )
    return folder
