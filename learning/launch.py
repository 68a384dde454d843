"""Start the workers of a run on this machine, each with its GPU or its share of the cores.

    python -m learning.launch --workers 2 train.py --config digits

The output is that of worker 0. docs/distributed.md describes runs on several machines, which need no launcher.
"""

import argparse
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from datasets.image_files.kept_listings import LAUNCH
from datasets.options.script_parser import ScriptParser
from learning.distributed.cluster import ALLOW_OPEN, DEFAULT_TIMEOUT, RESTARTS, TIMEOUT
from learning.errors import ClusterError
from learning.programs.command_line import parse_train
from learning.runs.directory import default_path, has_begun, locked
from learning.terminal.command import run_script
from models.runtime.gpu import VISIBLE, visible_gpus

GRACE = 30.0  # seconds in which the other workers may notice by themselves that one has ended
PR_SET_PDEATHSIG = 1  # of prctl(2)

logger = logging.getLogger(__name__)


def main() -> None:
    """Start the workers, wait for them, and exit with the code of the first one that failed."""
    arguments = _parse()
    run = _Run(arguments.command)
    for attempt in range(arguments.restarts + 1):
        is_last = attempt == arguments.restarts
        code = _attempt(arguments, run.arguments(again=attempt > 0), is_last=is_last)
        if code != ClusterError.exit_code or is_last:
            break
        logger.warning("starting all workers again (%d of %d)", attempt + 1, arguments.restarts)
    sys.exit(code)


def _parse() -> argparse.Namespace:
    parser = ScriptParser(
        prog="python -m learning.launch",
        allow_abbrev=False,
        usage="%(prog)s --workers N [--restarts K] train.py [ARGUMENTS OF train.py]",
        description="Train with several processes on this machine. Together they compute the same batches as "
        "one process: each computes its share of train.batch_size on its GPU or its share of the cores.",
    )
    parser.add_argument("--workers", type=int, required=True, metavar="N", help="processes to start")
    parser.add_argument(
        "--restarts",
        type=int,
        default=0,
        metavar="K",
        help="start all workers again from the last checkpoint, up to K times, if one is lost (default: 0)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"limit for an update, and for waiting for other workers (default: {DEFAULT_TIMEOUT:g})",
    )
    parser.add_argument(
        "--allow-open-network",
        action="store_true",
        help="start on a machine with a public address, where anybody may reach the workers (see SECURITY.md)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="train.py ...", help="what to start")
    arguments = parser.parse_args()
    if arguments.workers < 1 or arguments.restarts < 0 or not arguments.timeout >= 1:
        parser.error("--workers and --timeout must be at least 1, and --restarts at least 0")
    if not arguments.command or Path(arguments.command[0]).name != "train.py":
        parser.error("name train.py and its arguments after the options of the launcher")
    return arguments


class _Run:
    """The run that the workers train: its directory is fixed before they start, since they start separately."""

    def __init__(self, command: Sequence[str]) -> None:
        self._script, self._given = command[0], list(command[1:])
        parsed = parse_train(self._given)  # a mistake is said once
        self._path = Path(parsed.resume or parsed.run_dir or default_path(parsed.config.recipe))
        if parsed.resume is None and parsed.run_dir is None:
            self._given += ["--run-dir", str(self._path)]
        if parsed.resume is None and self._path.is_dir():
            with locked(self._path, resumed=False):  # else worker 0 refuses it while the others wait
                pass

    def arguments(self, *, again: bool) -> list[str]:
        """Return the command line that starts the run or, if that is done again, continues from its checkpoint."""
        given = self._given
        if again and has_begun(self._path):
            given = [*_without(given, "--config", "--run-dir", "--resume"), "--resume", str(self._path)]
        return [sys.executable, self._script, *given]


def _without(arguments: Sequence[str], *names: str) -> list[str]:
    """Return the arguments without these options and their values."""
    kept, skip = list[str](), False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in names:
            skip = True
        elif argument.partition("=")[0] not in names:
            kept.append(argument)
    return kept


def _attempt(arguments: argparse.Namespace, command: list[str], *, is_last: bool) -> int:
    """Start the workers once; return 0, or the exit code of the first one that failed.

    That is 8 (ClusterError) for a worker that was killed, and 128 + its number for a signal that the launcher got.
    """
    environment = {
        **os.environ,
        TIMEOUT: f"{arguments.timeout:g}",
        RESTARTS: str(int(not is_last)),
        LAUNCH: uuid.uuid4().hex,
    }
    if arguments.allow_open_network:
        environment[ALLOW_OPEN] = "1"
    addresses = [f"127.0.0.1:{port}" for port in free_ports(arguments.workers)]
    processes = list[subprocess.Popen[bytes]]()
    with _passing_on(processes) as received:
        for index, (cores, gpu) in enumerate(places(arguments.workers)):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            own = {**environment, "TF_CONFIG": json.dumps(task)} | ({} if gpu is None else {VISIBLE: gpu})
            processes.append(_started(command, own, cores, shown=index == 0))
        code = _first_failure(processes)
    return 128 + received[0] if received and code else code  # all may have finished all the same


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


def places(count: int) -> list[tuple[set[int], str | None]]:
    """Return for each of `count` workers its cores and, if there are enough GPUs, its own GPU."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list[int]()
    gpus = visible_gpus()
    found = []
    for index in range(count):
        own = set(cores[len(cores) * index // count : len(cores) * (index + 1) // count])
        if cores and not own:  # there are more workers than cores
            own = {cores[index % len(cores)]}
        found.append((own, gpus[index] if len(gpus) >= count else None))
    return found


def _started(
    command: list[str], environment: dict[str, str], cores: set[int], *, shown: bool
) -> subprocess.Popen[bytes]:
    """Start a worker on its cores: TensorFlow and NumPy then start a thread for each of these."""
    before = os.sched_getaffinity(0) if cores else set[int]()
    try:
        if cores:
            os.sched_setaffinity(0, cores)
        output = None if shown else subprocess.DEVNULL
        end = _end_with_parent if sys.platform == "linux" else None
        return subprocess.Popen(command, env=environment, stdout=output, preexec_fn=end)
    finally:
        if before:
            os.sched_setaffinity(0, before)


def _end_with_parent() -> None:
    """Have the kernel end this process when the launcher ends, even if that is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def _passing_on(processes: list[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Pass SIGTERM on to the workers, and yield the list of the signals that came.

    Ctrl-C reaches the workers by itself. Nothing that this block started is left running.
    """
    received = list[int]()

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for process in processes:
            if number != signal.SIGINT and process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_failure(processes: list[subprocess.Popen[bytes]]) -> int:
    """Wait for the workers; return the exit code of the first one that failed, or 0.

    After a failure the others have some time to end by themselves.
    """
    failure, deadline = 0, float("inf")
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.1)
        if not failure and (failure := _failure(processes)):
            deadline = time.monotonic() + GRACE
    return failure or _failure(processes)


def _failure(processes: list[subprocess.Popen[bytes]]) -> int:
    """Return the exit code of a worker that has failed, or 0; a killed one counts as lost."""
    for index, process in enumerate(processes):
        code = process.poll() or 0
        if code < 0:
            logger.warning("worker %d was ended by %s", index, signal.Signals(-code).name)
            return ClusterError.exit_code
        if code:
            return code
    return 0


if __name__ == "__main__":
    run_script(main)
