"""Let contestants take turns on one machine, each in its own process.

A contestant is a function that builds what it needs and returns a step: a function that does a piece of work and
returns the number of images. While one contestant works, the others sleep. In every round, each of them works once,
for the same time but for at least one step. The order of the rounds gives all of them the same mean position. Rates
from different runs cannot be compared; ratios within a round can.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple, TypeVar

PAUSE = 0.5  # seconds between two turns, so that idle threads go to sleep
PATIENCE = 600.0  # seconds allowed for building and warming up, and for the excess of a turn
PROJECT = "project"

Name = TypeVar("Name", str, int)
Step = Callable[[], int]
Rates = dict[str, list[float]]


class Contestant(NamedTuple):
    """A picklable function, called in the contestant's process: `build(*arguments)` returns the step."""

    build: Callable[..., Step]
    arguments: tuple[Any, ...] = ()


def measure(
    contestants: Mapping[str, Contestant],
    *,
    rounds: int,
    seconds: float,
    warm_steps: int = 3,
    in_processes: bool = True,
    patience: float = PATIENCE,
) -> tuple[Rates, dict[str, str]]:
    """Return each contestant's images per second, round by round, and why contestants were left out.

    A peer that fails in any round is left out. An exception in the project is raised.

    :param rounds: number of turns of each contestant.
    :param seconds: length of a turn; its last step is always finished.
    :param warm_steps: steps of each contestant before the first round.
    :param in_processes: False runs all contestants in this process, which shows that they work, not how fast.
    :param patience: seconds after which a contestant in its own process counts as failed.
    """
    workers: dict[str, _Process] = {}
    rates: Rates = {}
    failures: dict[str, str] = {}

    def call(name: str, timeout: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the function in the contestant's process and return its result; None if it fails."""
        try:
            if name not in workers:
                return function(name, *arguments)
            return workers[name](timeout, function, name, *arguments)
        except Exception as error:
            failures[name] = failure(name, error)
            rates.pop(name)
            print(f"{name}: left out, {failures[name]}", flush=True)

    try:
        for name, contestant in contestants.items():
            print(f"{name}: building", flush=True)
            rates[name] = []
            if in_processes:
                workers[name] = _Process()
            call(name, patience, _build, contestant, warm_steps)
        for number in range(rounds):
            for name in in_turns(list(rates), number):
                time.sleep(PAUSE if in_processes else 0)
                if (rate := call(name, seconds + patience, _rate, seconds)) is not None:
                    rates[name].append(rate)
            told = ", ".join(f"{name} {values[-1]:.4g}" for name, values in rates.items())
            print(f"round {number + 1}: {told}", flush=True)
    finally:
        for worker in workers.values():
            worker.close()
        _steps.clear()
    return rates, failures


def failure(name: str, error: Exception) -> str:
    """Return in one line why a peer failed; re-raise an exception of the project."""
    if name.startswith(PROJECT):
        raise error
    return f"{type(error).__name__}: {error}".splitlines()[0]


def in_turns(names: list[Name], number: int) -> list[Name]:
    """Return the names in the order of round `number`; every second round reverses the one before it."""
    first = number // 2 % len(names)
    turned = names[first:] + names[:first]
    return turned[::-1] if number % 2 else turned


class _Process:
    """A process that runs functions for this one; their exceptions are raised here."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, _prepare_tensorflow)
        self._process = self._pool.submit(os.getpid).result()

    def __call__(self, timeout: float, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._pool.submit(function, *arguments).result(timeout)
        except futures.TimeoutError:
            os.kill(self._process, signal.SIGKILL)
            raise RuntimeError(f"it was not done within {timeout:g} s") from None

    def close(self) -> None:
        self._pool.shutdown()


def _prepare_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Otherwise Keras would take all memory of a GPU.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"


_steps: dict[str, Step] = {}  # of the contestants in this process


def _build(name: str, contestant: Contestant, warm_steps: int) -> None:
    """Build a contestant in this process and warm it up."""
    _steps[name] = contestant.build(*contestant.arguments)
    for _ in range(warm_steps):
        _steps[name]()


def _rate(name: str, seconds: float) -> float:
    """Return the images per second of a turn in this process."""
    images, elapsed = take_turn(_steps[name], seconds)
    return images / elapsed


def take_turn(
    step: Step, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[int, float]:
    """Repeat the step for `seconds`, at least once; return the number of images and the actual seconds."""
    start = clock()
    images, elapsed = step(), clock() - start
    while elapsed < seconds:
        images += step()
        elapsed = clock() - start
    return images, elapsed
