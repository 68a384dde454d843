"""How long does it take from starting the process to the end of the first update?

`python train.py` is compared with Keras. Both take turns at training the small network on scikit-learn's digits,
each time in a fresh process: interpreter, imports, data, graph, initial values, one update. train.py uses the
default recipe and saves after every update; the clock stops when the first checkpoint is on disk. Its figure is
therefore an upper bound, which includes the run directory and the checkpoint. benchmarks/peers/keras_digits.py
prints a line after its first step, and writes no files.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.benchmark import Benchmark
from benchmarks.harness.hardware import peer_environment
from benchmarks.harness.markdown import ROOT, markdown
from benchmarks.harness.results import Figures, spread, spread_of
from benchmarks.harness.turns import PROJECT, Contestant, Step, measure
from benchmarks.peers.keras_digits import MARK

OUTPUT = "output"  # file with the output of a process
GOAL = 8.0  # seconds
POLL = 0.002  # seconds between two looks for the checkpoint
PATIENCE = 300.0  # seconds after which a process has failed


def wait_until(is_done: Callable[[], bool], process: subprocess.Popen[Any], output: Path) -> None:
    """Wait until `is_done` returns true.

    :param output: file with the output of the process, whose last line becomes part of the exception.
    :raises RuntimeError: the process ended before that, or took too long.
    """
    deadline = time.perf_counter() + PATIENCE
    while not is_done():
        has_ended = process.poll() is not None and not is_done()
        if has_ended or time.perf_counter() > deadline:
            reason = f"it ended with code {process.returncode}" if has_ended else f"it took {PATIENCE:g} s"
            lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RuntimeError(": ".join([f"{reason} before its first update", *lines[-1:]]))
        time.sleep(POLL)


def project_start(threads: int) -> Step:
    """Return a step that starts train.py and ends it after the first update."""

    def words(folder: Path) -> list[str]:
        options = ["--config", "digits", "--run-dir", str(folder / "run"), "--train.threads", str(threads)]
        return ["train.py", *options, "--train.save_every_steps", "1"]

    return _start(words, lambda folder: any(folder.glob("run/checkpoints/step-*")), os.environ)


def keras_start(threads: int) -> Step:
    """Return a step that starts benchmarks/peers/keras_digits.py and ends it after the first update."""
    words = ["-m", "benchmarks.peers.keras_digits", str(threads)]

    def is_done(folder: Path) -> bool:
        return MARK in (folder / OUTPUT).read_text(encoding="utf-8", errors="replace")

    return _start(lambda folder: words, is_done, peer_environment())


def _start(
    command: Callable[[Path], Sequence[str]], is_done: Callable[[Path], bool], variables: Mapping[str, str]
) -> Step:
    """Return a step that starts Python, and ends it as soon as `is_done` returns true.

    :param command: returns Python's arguments, given a new folder, which also holds its output.
    :param is_done: returns whether the first update is done, given that folder.
    """
    environment = {**variables, "KERAS_BACKEND": "tensorflow"}

    def step() -> int:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = [sys.executable, *command(folder)]
            with open(folder / OUTPUT, "wb") as output:
                process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=output, stderr=output)
            try:
                wait_until(lambda: is_done(folder), process, folder / OUTPUT)
            finally:
                process.kill()
                process.wait()
        return 1

    return step


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Start both in turns; each start is a turn in a new process."""
    builds = {PROJECT: project_start, "keras": keras_start}
    contestants = {name: Contestant(build, (arguments.threads,)) for name, build in builds.items()}
    warm = 0 if arguments.quick else 1
    rates, failures = measure(
        contestants, rounds=arguments.rounds, seconds=0.0, in_processes=False, warm_steps=warm
    )
    yield summary_of_starts(rates, failures)


def summary_of_starts(rates: Mapping[str, list[float]], failures: dict[str, str]) -> dict[str, Any]:
    """Convert rates, which are starts per second, to seconds; the ratio is the project's time to Keras'."""
    seconds = {name: [1.0 / rate for rate in values] for name, values in rates.items()}
    pairs = zip(seconds[PROJECT], seconds.get("keras", ()), strict="keras" in seconds)
    compared = [ours / theirs for ours, theirs in pairs]
    return {
        "seconds": {name: spread_of(values) for name, values in seconds.items()},
        "goal_seconds": GOAL,
        "ratio": spread_of(compared) if compared else None,
        "left_out": failures,
        "rounds": seconds,
    }


def table(figures: Figures) -> str:
    """Return the seconds until the end of the first update."""
    shown = figures["seconds"] | ({"project / keras": figures["ratio"]} if figures["ratio"] else {})
    rows = [[name, spread(values)] for name, values in shown.items()]
    rows += [["goal, and no slower than Keras", f"below {figures['goal_seconds']:g}"]]
    return markdown(["from starting the process to the end of the first update", "seconds"], rows)


main = Benchmark("start", __doc__, steps, table, rounds=7)
