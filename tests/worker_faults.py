"""Do to the workers of a run what can happen to them, and see that all of them end as they should.

    python -m tests.worker_faults FOLDER [--workers 2] [--kills 3] [--seed 0] [--only hangs ...]

Prints one JSON object: for each fault the exit codes of the workers and their last lines; for the kills their
number, and whether the run then had the bits of an uninterrupted one. TensorFlow is imported once, and every worker
is a fork that was made before any session existed.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tests.conftest  # noqa: F401  quiet TensorFlow, with the kernels of the scripts

# isort: split
import tensorflow as tf

import learning.distributed.join
import learning.evaluation.run_test
import learning.optimizers
import learning.reports.run_page
import learning.transfer.features  # noqa: F401  all of them in this process, once
from learning.checkpoints.store import CheckpointStore
from learning.config.run_config import RunConfig
from learning.distributed.cluster import TIMEOUT
from learning.fit import fit
from learning.runs.data import open_data
from learning.terminal.command import run_script
from learning.training.step import TrainingStep
from tests.support.local_workers import addresses
from tests.support.wire import Wire, lacking, wire

CONFIG: dict[str, Any] = {
    "data": {"name": "digits", "crop_size": 8},
    "model": {"options": {"width": 2}},
    "train": {"num_epochs": 3, "batch_size": 100, "save_every_steps": 2, "threads": 1, "augment_pred": False},
}
PATIENT, HASTY = "300", "4"  # seconds that workers wait for each other
AtUpdate = Callable[[int, TrainingStep], object]


class Attempt:
    """The workers of one attempt at a run, which goes on if there is a checkpoint.

    :param start: which workers start; None: all.
    :param change: options of `train`, given the number of the worker.
    :param at_update: called by each worker with its number and its step before its second update.
    :param between: the wire that the two workers are at the ends of.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        *,
        timeout: str = PATIENT,
        start: tuple[int, ...] | None = None,
        change: Callable[[int], dict[str, Any]] = lambda index: {},
        at_update: AtUpdate = lambda index, step: None,
        busy: bool = False,
        between: Wire | None = None,
    ) -> None:
        self._folder, self._between = folder, between
        self.addresses = addresses(count) if between is None else between.addresses
        self._begun_at = max(CheckpointStore(folder).steps(), default=0)
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.pids = dict[int, int]()
        with socket.socket() if busy else contextlib.nullcontext() as other:
            if other is not None:
                other.bind(("", int(self.addresses[1].rpartition(":")[2])))
                other.listen()
            for index in range(count) if start is None else start:
                pid = os.fork()
                if pid == 0:
                    self._become(index, timeout, change(index), at_update)
                self.pids[index] = pid
            if busy:
                os.waitid(os.P_PID, self.pids[1], os.WEXITED | os.WNOWAIT)

    def _become(self, index: int, timeout: str, options: dict[str, Any], at_update: AtUpdate) -> None:
        """Train as a worker in this process, which ends as train.py would."""
        code: Any = 1
        try:
            os.dup2(os.open(self._errors(index), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
            sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            sys.argv = ["train.py"]
            if self._between is not None:
                self._between.enter(index)
            task = {"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": index}}
            os.environ |= {"TF_CONFIG": json.dumps(task), TIMEOUT: timeout}
            _before_second_update(lambda step: at_update(index, step))
            config = RunConfig.from_dict({**CONFIG, "train": {**CONFIG["train"], **options}})
            run_script(lambda: fit(config, self._folder, resume=self._begun_at > 0, verbose=False))
        except SystemExit as left:
            code = left.code
        finally:
            os._exit(code)

    def _errors(self, index: int) -> Path:
        return self._folder.with_name(f"{self._folder.name}.{index}.err")

    def kill(self, index: int, after: int, delay: float) -> None:
        """Kill a worker, `delay` seconds after the first new checkpoint of at least `after` updates.

        Of workers that are killed earlier, the others think that they do not start, and wait for PATIENT seconds.
        """
        while max(CheckpointStore(self._folder).steps(), default=0) < max(after, self._begun_at + 1):
            if os.waitpid(self.pids[0], os.WNOHANG) != (0, 0):
                sys.exit(f"the run in {self._folder} ended by itself before update {after}")
            time.sleep(0.005)
        time.sleep(delay)
        os.kill(self.pids[index], signal.SIGKILL)

    def end(self, *stopped: int) -> dict[str, Any]:
        """Wait for the workers; return their exit codes and their last lines on standard error.

        :param stopped: workers that hang, and are killed when the others have ended.
        """
        codes, lines = [], []
        for index, pid in sorted(self.pids.items(), key=lambda pair: pair[0] in stopped):
            if index in stopped:
                os.kill(pid, signal.SIGKILL)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            lines.append((["", *self._errors(index).read_text().splitlines()])[-1])
        return {"codes": codes, "lines": lines}


def _before_second_update(act: Callable[[TrainingStep], object]) -> None:
    """Let this process call `act` before it makes its second update."""
    run, calls = TrainingStep.run, itertools.count(1)

    def counted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 2:
            act(arguments[0])
        return run(*arguments, **options)

    TrainingStep.run = counted  # type: ignore[method-assign]


def kills(folder: Path, count: int, number: int, draw: random.Random) -> dict[str, Any]:
    """Kill a random worker at random moments, resume each time, and compare with an uninterrupted run."""
    peace = Attempt(folder / "peace", count).end()
    last = max(CheckpointStore(folder / "peace").steps())
    wrong = []
    for step in sorted(draw.sample(range(2, last - 4, 2), number)):
        attempt = Attempt(folder / "killed", count)
        attempt.kill(draw.randrange(count), step, draw.uniform(0, 0.05))
        codes = attempt.end()["codes"]
        wrong += [codes] if sorted(codes) != [-signal.SIGKILL, *[8] * (count - 1)] else []
    ended = [peace["codes"], Attempt(folder / "killed", count).end()["codes"]]
    names = ("history.csv", "model.ckpt.data-00000-of-00001")
    one, other = ([(folder / run / name).read_bytes() for name in names] for run in ("peace", "killed"))
    return {"kills": number, "equal": one == other, "ended": ended, "wrong": wrong}


def of_second(act: Callable[[], object]) -> AtUpdate:
    """Return what calls `act` in worker 1 alone."""
    return lambda index, step: act() if index == 1 else None


def hang(index: int, step: TrainingStep) -> None:
    """Stop worker 1, and let the other one wait for it no longer than HASTY seconds.

    Both have waited patiently so far, because a busy machine may take longer to begin.
    """
    if index == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    step._run_options.timeout_in_ms = int(1000 * float(HASTY))


def out_of_memory() -> None:
    """Fail as TensorFlow does."""
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a tensor")


def over_wire(folder: Path, *, cut: bool) -> dict[str, Any]:
    """Train over a wire of 1 Gbit/s and 10 ms, which worker 1 may cut; return why if this machine has none."""
    if why := lacking():
        return {"left out": why}
    with wire(1e9 / 8, 0.01) as between:
        act = of_second(between.cut) if cut else of_second(lambda: None)
        return Attempt(folder, 2, at_update=act, between=between).end()


def signal_oneself(number: int) -> AtUpdate:
    """Return what sends a signal to worker 1."""
    return of_second(lambda: os.kill(os.getpid(), number))


def scenarios(folder: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what can happen to two workers, by name."""
    return {
        "hangs": lambda: Attempt(folder / "hangs", 2, at_update=hang).end(1),
        "slow": lambda: Attempt(folder / "slow", 2, at_update=of_second(lambda: time.sleep(3))).end(),
        "absent": lambda: Attempt(folder / "absent", 2, timeout=HASTY, start=(0,)).end(),
        "no chief": lambda: Attempt(folder / "no-chief", 2, timeout=HASTY, start=(1,)).end(),
        "port in use": lambda: Attempt(folder / "port", 2, timeout=HASTY, busy=True).end(),
        "other options": lambda: Attempt(folder / "options", 2, change=lambda index: {"seed": index}).end(),
        "out of memory": lambda: Attempt(folder / "memory", 2, at_update=of_second(out_of_memory)).end(),
        "slow network": lambda: over_wire(folder / "slow-network", cut=False),
        "network stops": lambda: over_wire(folder / "no-network", cut=True),
        "SIGTERM": lambda: Attempt(folder / "term", 2, at_update=signal_oneself(signal.SIGTERM)).end(),
        "SIGKILL": lambda: Attempt(folder / "kill", 2, at_update=signal_oneself(signal.SIGKILL)).end(),
    }


def main() -> None:
    """Play the scenarios and the kills, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=3, help="kills of one run (default: 3)")
    parser.add_argument("--workers", type=int, default=2, help="of the run that is killed (default: 2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="*", default=None, metavar="NAME", help="scenarios to play (default: all)"
    )
    arguments = parser.parse_args()
    open_data(RunConfig.from_dict(CONFIG))  # which imports scikit-learn in this process, once
    played = scenarios(arguments.folder)
    found = {
        name: play() for name, play in played.items() if arguments.only is None or name in arguments.only
    }
    if arguments.kills:
        draw = random.Random(arguments.seed)
        found["kills"] = kills(arguments.folder, arguments.workers, arguments.kills, draw)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
