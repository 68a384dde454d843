"""Lock a directory, so that one process at a time trains in it."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from datasets.storage.atomic import remove_abandoned
from learning.errors import DirectoryInUseError, StorageError

LOCK_FILE = ".lock"
# The directories that each process holds; a process forked from it holds none of them.
_held: set[tuple[int, Path]] = set()


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a directory for this process, and make it if it does not exist.

    The process may hold it several times at once: `fit` does from its first file on, and `Optimizer.train`, which
    can also be called alone, does again inside. The lock ends with the process, however that ends. A directory that
    was made here and stayed empty is removed.

    :raises DirectoryInUseError: another process holds it.
    :raises StorageError: it cannot be written or locked.
    """
    made = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        key = os.getpid(), path.resolve()
        lock = None if key in _held else _locked(path)
    except OSError as error:
        if made:
            _remove_empty(path)
        reason = error.strerror or error
        raise StorageError(
            f"cannot use {path} as run directory: {reason}; choose another with --run-dir (save_dir)"
        ) from error
    if lock is None:
        yield
        return
    _held.add(key)
    try:
        remove_abandoned(path)
        yield
    finally:
        _held.discard(key)
        if key[0] == os.getpid():  # else this is a forked process, whose parent holds the lock
            if made:
                _remove_empty(path)
            lock.release()


def _locked(path: Path) -> FileLock:
    """Take the lock, and write its holder into it. OSError if that fails."""
    lock = FileLock(path / LOCK_FILE, timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        holder = _holder(path)
        raise DirectoryInUseError(f"{path} is in use by {holder}; wait for it, or choose another") from error
    with contextlib.suppress(OSError):  # if it cannot be read, the message says 'another process'
        (path / LOCK_FILE).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
    return lock


def _holder(path: Path) -> str:
    """Return who holds the lock, if that can be read."""
    try:
        text = (path / LOCK_FILE).read_text(encoding="utf-8", errors="replace")[:200].strip()
    except OSError:  # some systems do not let others read a locked file
        text = ""
    return text or "another process"


def _remove_empty(path: Path) -> None:
    """Remove a directory that contains only a lock, unless it is in use or already gone."""
    with contextlib.suppress(OSError):
        if all(entry.name == LOCK_FILE for entry in path.iterdir()):
            (path / LOCK_FILE).unlink(missing_ok=True)
            path.rmdir()
