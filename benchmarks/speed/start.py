"""Seconds from starting `python train.py` to the end of the first update, against the same in Keras.

    python -m benchmarks.speed.start [--rounds 7] [--output FILE]

Both train the small net on scikit-learn's digits, in a fresh process each time, in turns: interpreter, imports,
data, graph, initial values, one update. train.py is called as anybody calls it, with the default recipe, and told
to save after every update: the clock stops when the first checkpoint is seen on disk. So its figure is an upper
bound: it also holds the run's directory and that checkpoint; the picture of the training images is drawn beside.
benchmarks/peers/keras_digits.py says itself when its first step is done, and writes nothing.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.runs import ROOT
from benchmarks.harness.commands import conditions, keep, measurement_parser, parse_measurement
from benchmarks.harness.hardware import peer_environment
from benchmarks.harness.sides import PROJECT, Contestant, Rates, Spread, Step, measure
from benchmarks.peers.keras_digits import MARK
from learning.terminal.command import run_script

STDOUT, STDERR = "stdout", "stderr"  # files of what a started process says
GOAL = 8.0  # seconds
POLL = 0.002  # seconds between two looks for the checkpoint
PATIENCE = 300.0  # seconds after which a process has failed


def wait_until(is_done: Callable[[], bool], process: subprocess.Popen[Any], stderr: Path) -> None:
    """Returns once it is done; RuntimeError where the process ends without it, or takes too long.

    :param stderr: where the process complains; the last line becomes part of the error.
    """
    deadline = time.perf_counter() + PATIENCE
    while not is_done():
        if process.poll() is not None and not is_done():
            raise RuntimeError(
                f"it ended with code {process.returncode} before its first update{_last_line(stderr)}"
            )
        if time.perf_counter() > deadline:
            raise RuntimeError(f"no update within {PATIENCE:g} s{_last_line(stderr)}")
        time.sleep(POLL)


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""


def project_start(threads: int) -> Step:
    """One start of train.py, ended after its first update."""

    def command(folder: Path) -> list[str]:
        options = ["--config", "digits", "--run-dir", str(folder / "run"), "--train.threads", str(threads)]
        return [sys.executable, "train.py", *options, "--train.save_every_steps", "1"]

    return _start(command, lambda folder: any(folder.glob("run/checkpoints/step-*")))


def keras_start(threads: int) -> Step:
    """One start of benchmarks/peers/keras_digits.py."""

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-m", "benchmarks.peers.keras_digits", "--threads", str(threads)]

    return _start(
        command, lambda folder: MARK in (folder / STDOUT).read_text(encoding="utf-8"), peer_environment()
    )


def _start(
    command: Callable[[Path], list[str]],
    is_done: Callable[[Path], bool],
    variables: Mapping[str, str] = os.environ,
) -> Step:
    """Starts the command until it is done.

    :param command: with a folder of its own, where what it says is kept, too.
    :param is_done: by what lies in that folder.
    :param variables: of its environment.
    """
    environment = {**variables, "KERAS_BACKEND": "tensorflow"}

    def step() -> int:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with open(folder / STDOUT, "wb") as stdout, open(folder / STDERR, "wb") as stderr:
                process = subprocess.Popen(
                    command(folder), cwd=ROOT, env=environment, stdout=stdout, stderr=stderr
                )
            try:
                wait_until(lambda: is_done(folder), process, folder / STDERR)
            finally:
                process.kill()
                process.wait()
        return 1

    return step


def summary_of_starts(rates: Rates, failures: dict[str, str]) -> dict[str, Any]:
    """What the rates (starts per second) say in seconds, ready for JSON; the ratio is ours to Keras'."""
    seconds = {name: [1.0 / rate for rate in values] for name, values in rates.items()}
    found: dict[str, Any] = {
        "seconds": {name: Spread.of(values)._asdict() for name, values in seconds.items()},
        "goal_seconds": GOAL,
        "ratio": None,
        "left_out": failures,
        "rounds": seconds,
    }
    if "keras" in seconds:
        pairs = zip(seconds[PROJECT], seconds["keras"], strict=True)
        found["ratio"] = Spread.of([ours / theirs for ours, theirs in pairs])._asdict()
    return found


def spreads(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What of `summary_of_starts` is shown to people: the seconds of each, and the ratio where there is one."""
    return found["seconds"] | ({"project / keras": found["ratio"]} if found["ratio"] else {})


def print_starts(found: dict[str, Any]) -> None:
    """The result for people."""
    table = Table(title="from the start of the process to the end of the first update")
    for column in ("seconds", "median", "smallest", "largest"):
        table.add_column(column, justify="left" if column == "seconds" else "right")
    for name, spread in spreads(found).items():
        table.add_row(name, *(f"{spread[which]:.2f}" for which in ("median", "min", "max")))
    for name, reason in found["left_out"].items():
        table.add_row(f"{name}: {reason}")
    Console().print(table)
    met = "met" if found["seconds"][PROJECT]["median"] < GOAL else "missed"
    print(f"goal: below {GOAL:g} s, {met}")


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse_measurement(measurement_parser("start", str(__doc__), rounds=7))
    figures = conditions(arguments)
    contestants = {
        PROJECT: Contestant(project_start, (arguments.threads,)),
        "keras": Contestant(keras_start, (arguments.threads,)),
    }
    rates, failures = measure(
        contestants,
        rounds=arguments.rounds,
        seconds=0.0,  # one start is one turn
        in_processes=False,  # each start is a process of its own anyway
        warm_steps=0 if arguments.quick else 1,
    )
    figures |= summary_of_starts(rates, failures)
    print_starts(figures)
    keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
