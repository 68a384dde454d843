"""The memory that processes have for themselves, watched while they work (Linux)."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from datasets.errors import DataError

INTERVAL = 0.02  # seconds between two looks at the memory
PROC = Path("/proc")
STATUS = PROC / "self/status"
UNBACKED = ("Pss_Anon:", "Pss_Shmem:")  # pages without a file; of shared ones the process's share


def anonymous_bytes() -> int:
    """RssAnon of this process: its resident memory that no file stands behind."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


class PeakMemory:
    """Watches `anonymous_bytes` on a thread while a `with` block runs; `peak` is the largest value seen."""

    def __init__(self, read: Callable[[], int] = anonymous_bytes, interval: float = INTERVAL) -> None:
        self.peak = read()
        self._read, self._interval = read, interval
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
        while not self._done.wait(self._interval):
            self.peak = max(self.peak, self._read())


def family_bytes(process: int | str = "self") -> int:
    """Memory of a process and its descendants that no file stands behind; pages that they share count once."""
    folder = PROC / str(process)
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
        children = [child for task in (folder / "task").iterdir() for child in _children(task)]
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(UNBACKED))
    return own + sum(map(family_bytes, children))


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def in_fresh_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """`work(*arguments)` in an interpreter that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def require_linux() -> None:
    """DataError where the system does not say how much memory a process has for itself."""
    if not STATUS.exists():
        raise DataError(f"there is no {STATUS}, so memory cannot be measured here; run this on Linux")


def in_this_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """`work(*arguments)`: no figures, but a quick look whether it works."""
    return work(*arguments)
