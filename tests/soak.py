"""The long version of tests.kill_and_resume: many kills, kills under load, a disk that fills up.

    python -m tests.soak FOLDER [--kills 200] [--minutes 60] [--cycles 20] [--seed 0]

Every run is killed several times at random moments, resumed each time, and at its end compared to the bit with one
that was left in peace. Under load, other processes keep the processors and the disk busy meanwhile, for
`--minutes`. The disk that fills up is a tmpfs of its own where this process may mount one; else no file may grow
beyond a random size (RLIMIT_FSIZE), which stops a write in the same place with another error number. Prints
progress, and one JSON object, which is also left in FOLDER/soak.json. Exit code 1 where anything differs.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from learning.checkpoints.store import CheckpointStore
from learning.errors import CheckpointError
from tests.kill_and_resume import HP, NUM_IMAGES, digests, finish, kill_after, start

KILLS_PER_RUN = 12
TOTAL_STEPS = HP["num_epochs"] * (NUM_IMAGES // HP["batch_size"])
DISK_BYTES = 4 * 2**20
FULL = 6  # the exit code
HAMMER = """
import os, sys
block = os.urandom(4 * 2**20)
while True:
    for _ in range(200):
        sum(range(100_000))
    with open(sys.argv[1], "wb") as file:
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
"""


class Soak:
    """The phases, each of which adds its figures to `figures`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.figures: dict[str, Any] = {"machine": platform.platform(), "processors": os.cpu_count()}
        finish(folder / "peace")
        self.expected = digests(folder / "peace")

    def run(self, name: str, phase: Callable[[], dict[str, Any]]) -> None:
        """One phase with its time."""
        start_time = time.perf_counter()
        self.figures[name] = phase()
        self.figures[name]["seconds"] = round(time.perf_counter() - start_time, 1)

    def kills(self, count: int, until: float = float("inf")) -> dict[str, Any]:
        """Runs that are killed, until there were `count` kills or the clock says `until`."""
        figures = {"kills": 0, "runs": 0, "different": 0}
        while figures["kills"] < count and time.monotonic() < until:
            num_kills = min(KILLS_PER_RUN, count - figures["kills"])
            same = self._killed_run(num_kills)
            figures["kills"] += num_kills
            figures["runs"] += 1
            figures["different"] += not same
            print(
                f"{figures['kills']} kills in {figures['runs']} runs, {figures['different']} ended otherwise"
            )
        return figures

    def _killed_run(self, num_kills: int) -> bool:
        """Kill one run so often; returns whether it ended as the one in peace."""
        folder = self.folder / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        last = int(0.95 * TOTAL_STEPS)
        for step in sorted(self.draw.randrange(last) for _ in range(num_kills)):
            kill_after(folder, step, self.draw.uniform(0, 0.1))
        return self._ends_as_expected(folder)

    def _ends_as_expected(self, folder: Path) -> bool:
        finish(folder)
        return digests(folder) == self.expected and not list((folder / "checkpoints").glob(".*"))

    def load(self, minutes: float) -> dict[str, Any]:
        """Kills while other processes, two for each processor, keep the machine busy."""
        number = 2 * (os.cpu_count() or 1)
        with hammers(self.folder, number):
            figures = self.kills(sys.maxsize, time.monotonic() + 60 * minutes)
        return {"minutes": minutes, "other_processes": number, **figures}

    def full_disk(self, cycles: int) -> dict[str, Any]:
        """A run that finds the disk full again and again; its checkpoints must be whole each time."""
        with small_disk(self.folder / "disk") as is_mounted:
            folder = self.folder / "disk" / "run"
            figures: dict[str, Any] = {
                "way": "tmpfs" if is_mounted else "RLIMIT_FSIZE",
                "cycles": 0,
                "damaged": 0,
            }
            for step in sorted(self.draw.randrange(1, int(0.9 * TOTAL_STEPS)) for _ in range(cycles)):
                fill = self._fill_disk if is_mounted else self._limit_files
                if fill(folder, step):
                    figures["cycles"] += 1
                    figures["damaged"] += not is_whole(folder)
            figures["different"] = int(not self._ends_as_expected(folder))
        print(f"full disk ({figures['way']}): {figures}")
        return figures

    def _fill_disk(self, folder: Path, step: int) -> bool:
        """Fill the disk once the run has come to `step`; returns whether that stopped it."""
        pid = start(folder)
        while max(CheckpointStore(folder).steps(), default=0) < step:
            time.sleep(0.001)
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                sys.exit(f"the run in {folder} ended by itself before update {step}")
        ballast = folder.parent / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:  # to the last byte, also while the run removes its old checkpoints
                file.write(bytes(4096))
        code = wait_filling(pid, ballast)
        ballast.unlink()
        return self._is_stopped(code, folder)

    def _limit_files(self, folder: Path, step: int) -> bool:
        """Let a run whose files may grow to a random size go on from where the last one stopped."""
        size = self.draw.randrange(100, 12_000)
        code = wait(start(folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))))
        stopped = self._is_stopped(code, folder)
        if max(CheckpointStore(folder).steps(), default=0) < step:
            kill_after(folder, step, 0.0)  # with room, up to the next cycle
        return stopped

    def _is_stopped(self, code: int, folder: Path) -> bool:
        if code not in (0, FULL):
            sys.exit(f"the run in {folder} ended with {code} on a full disk")
        return code == FULL


def wait(pid: int) -> int:
    """The exit code of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_filling(pid: int, ballast: Path) -> int:
    """The exit code of a child; what room it makes meanwhile is taken again."""
    with ballast.open("ab", buffering=0) as file:
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                file.write(bytes(1024))


def is_whole(folder: Path) -> bool:
    """Whether every checkpoint of a run is what was saved."""
    store = CheckpointStore(folder)
    try:
        for step in store.steps():
            store.read_state(step)
    except CheckpointError as error:
        print(error)
        return False
    return True


@contextlib.contextmanager
def hammers(folder: Path, number: int) -> Iterator[None]:
    """Processes that compute and write without end."""
    commands = [[sys.executable, "-c", HAMMER, str(folder / f"hammer{i}")] for i in range(number)]
    processes = [subprocess.Popen(command) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[bool]:
    """A folder, on a small tmpfs where one can be mounted; gives whether it could."""
    path.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    is_mounted = subprocess.run(["mount", *options], capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(path)], check=True)


def main() -> None:
    """Run the phases, write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60, help="of load")
    parser.add_argument("--cycles", type=int, default=20, help="of the full disk")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    soak = Soak(arguments.folder, arguments.seed)
    soak.run("kills", lambda: soak.kills(arguments.kills))
    soak.run("full_disk", lambda: soak.full_disk(arguments.cycles))
    if arguments.minutes > 0:
        soak.run("load", lambda: soak.load(arguments.minutes))
    phases = [value for value in soak.figures.values() if isinstance(value, dict)]
    soak.figures["equal"] = not any(phase["different"] or phase.get("damaged") for phase in phases)
    text = json.dumps(soak.figures, indent=1)
    (arguments.folder / "soak.json").write_text(text)
    print(json.dumps(soak.figures))
    sys.exit(0 if soak.figures["equal"] else 1)


if __name__ == "__main__":
    main()
