"""Fetch the official files of data sets.

Only https is used, also after a redirect, with certificates checked by `requests`. A file is written to NAME.part,
which a later try resumes, and is renamed when its size and its hash are right. An interrupted transfer is tried
again a few times.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from datasets.catalogue import DATASETS
from datasets.download.known_files import CIFAR10_PYTHON, OfficialFile
from datasets.download.transfer import CutError, try_transfer
from datasets.download.verification import compare
from datasets.errors import DataError, OptionError, StorageError, escape_name
from datasets.storage.cache_folders import default_cache_dir
from datasets.storage.paths import expanded, file_digest

WAITS = (2, 5, 10)  # seconds before each further try of an interrupted transfer
EARLIER = {"cifar10": CIFAR10_PYTHON}  # fetched by earlier versions, with the same images

logger = logging.getLogger(__name__)


def fetch(name: str, folder: Path | str | None = None) -> Path:
    """Fetch the missing official files of a data set.

    Create the folder, NAME.part in it during a download, and NAME.part.lock, which is kept.

    :param name: a data set of the catalogue that has downloads.
    :param folder: for the files; None: downloads/NAME in the cache directory of `cache_folders`.
    :return: the path for the loader: the file, or the folder of several files.
    :raises DataError: an existing file is not the official one (it is kept); or the server cannot be reached, is
        too slow, leaves https or sends something else.
    :raises StorageError: the folder cannot be written.
    :raises OptionError: the folder is a file.
    """
    folder = default_cache_dir() / "downloads" / name if folder is None else expanded(folder)
    if folder.exists() and not folder.is_dir():
        raise OptionError(
            f"'{escape_name(folder)}' is a file; give --download a folder to put files into, or leave it out"
        )
    earlier, files = EARLIER.get(name), DATASETS[name].downloads
    if earlier and (folder / earlier.name).exists() and not (folder / files[0].name).exists():
        files = (earlier,)
    for file in files:
        _ensure(file, folder / file.name)
    return folder / files[0].name if len(files) == 1 else folder


def located(name: str, path: Path | str | None, download: bool) -> Path:
    """Return the path that a loader reads, after `fetch` with download.

    :raises OptionError: there is neither a path nor download.
    """
    if download:
        return fetch(name, path)
    if path is None:
        raise OptionError(
            f"data set '{name}' needs the path of its images; give it with --data-dir, or fetch them with "
            "--download"
        )
    return expanded(path)


def _ensure(file: OfficialFile, target: Path) -> None:
    if target.exists():
        compare(file, target, "move it away, then it is fetched")
        return
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(part):
            if target.exists():  # another process was faster
                part.unlink(missing_ok=True)
                return
            with open(part, "ab") as stream:
                _transfer(file, stream)
                stream.flush()
                os.fsync(stream.fileno())
            _verify(file, part)
            os.replace(part, target)
    except OSError as error:
        raise StorageError(
            f"'{escape_name(target)}' cannot be written ({error.strerror}); choose another folder with "
            "--data-dir"
        ) from error


@contextlib.contextmanager
def _held(part: Path) -> Iterator[None]:
    """Lock the unfinished file for this process by NAME.part.lock beside it.

    The lock file is kept: after its removal, one process could lock the old file and another one a new file.
    """
    try:
        with FileLock(f"{part}.lock", timeout=0, thread_local=False, fallback_to_soft=False):
            yield
    except Timeout as error:
        raise DataError(
            f"'{escape_name(part)}' is being downloaded by another process; wait for it"
        ) from error


def _transfer(file: OfficialFile, stream: IO[bytes]) -> None:
    """Append the rest of the file, in several tries if necessary."""
    for wait in WAITS:
        try:
            return try_transfer(file, stream)
        except CutError as error:
            logger.warning("%s: this is done in %g seconds", error, wait)
            time.sleep(wait)
    try_transfer(file, stream)


def _verify(file: OfficialFile, part: Path) -> None:
    """Refuse and remove a complete download with a wrong hash, which could not be resumed."""
    actual = file_digest(part)
    if actual != file.sha256:
        part.unlink()
        raise DataError(
            f"{file.url} is not the official file: expected SHA-256 {file.sha256}, got {actual}; the "
            "download was removed, try again"
        )
