"""Watch the memory that processes have for themselves while they work (Linux)."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from datasets.errors import DataError

INTERVAL = 0.1  # seconds between two readings, which take some milliseconds
PROC = Path("/proc")
UNBACKED = ("Pss_Anon:", "Pss_Shmem:")  # pages without a file; of shared pages the process's share


def family_bytes(process: int | str = "self") -> int:
    """Return the memory of a process and its descendants that no file backs; pages they share count once."""
    folder = PROC / str(process)
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
        tasks = [(task / "children").read_text().split() for task in (folder / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(UNBACKED))
    return own + sum(family_bytes(child) for children in tasks for child in children)


class PeakMemory:
    """Read the memory on a thread while a `with` block runs; `peak` is the largest value seen."""

    def __init__(self, read: Callable[[], int] = family_bytes) -> None:
        self._read, self.peak = read, read()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, self._read())

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self.peak = max(self.peak, self._read())


def call_fresh(work: Callable[..., dict[str, Any]], *arguments: Any, quick: bool) -> dict[str, Any]:
    """Return `work(*arguments)` of a new interpreter; with `quick` of this one, which shows only that it works."""
    return call_together(1, work, *arguments, quick=quick)[0]


def call_together(
    count: int, work: Callable[..., dict[str, Any]], *arguments: Any, quick: bool
) -> list[dict[str, Any]]:
    """Return `work(*arguments)` of new interpreters that run at the same time, as `call_fresh` does of one.

    :raises DataError: the system does not say how much memory a process has for itself.
    """
    if not (PROC / "self/smaps_rollup").exists():
        raise DataError(
            f"there is no {PROC}/self/smaps_rollup, so memory cannot be measured; run this on Linux"
        )
    if quick:
        return [work(*arguments) for _ in range(count)]
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        return [called.result() for called in [pool.submit(work, *arguments) for _ in range(count)]]
