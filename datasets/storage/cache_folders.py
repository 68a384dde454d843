"""Find the folder for decoded images: a chosen one, the user's cache, or a temporary one."""

import atexit
import contextlib
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

    :raises StorageError: neither is set, and the user has no home, as in a container.
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
    """Yield the folders that may hold an entry; new entries are made in the last one.

    If no folder was chosen and the user's cache cannot be written, warn and use a temporary folder.

    :param chosen: None for `default_cache_dir`.
    """
    if chosen is not None or os.environ.get("SESSIONNET_CACHE"):
        yield default_cache_dir() if chosen is None else expanded(chosen)
        return
    with contextlib.suppress(StorageError, OSError):
        folder = default_cache_dir()
        yield folder
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return
    yield _temporary_folder()


@functools.cache
def _temporary_folder() -> Path:
    """Make a private folder with a random name."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="sessionnet-"))
    except OSError as error:
        raise StorageError(
            f"no folder for decoded images can be written ({error.strerror}); {_ADVICE}"
        ) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning(
        "there is no writable home directory: decoded images are kept in '%s' until this process ends; "
        "to keep them longer, %s",
        escape_name(folder),
        _ADVICE,
    )
    return folder
