"""Contestants of a measurement, each in a process of its own, that take turns on the same machine.

A contestant is a function of this package that builds what it needs and returns a step: a function without
arguments that does a piece of work and returns how many images that was. While one works the others sleep; in
every round each works once, for the same time and at least one step, in an order that gives all the same mean
position after every two rounds. Figures of different runs are not comparable; ratios within a round are.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

PAUSE = 0.5  # seconds between two turns, for threads to go to sleep
PATIENCE = 600.0  # seconds that a contestant may take to build and warm up, or for a turn beyond its time
PROJECT = "project"

Name = TypeVar("Name", str, int)
Step = Callable[[], int]
Rates = dict[str, list[float]]


class Contestant(NamedTuple):
    """`build(*arguments)` makes the step; it is called in the contestant's own process and must be picklable."""

    build: Callable[..., Step]
    arguments: tuple[Any, ...] = ()


class Spread(NamedTuple):
    """What is told of several measurements."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """The median and the extremes of `values`, of which there is at least one."""
        return cls(statistics.median(values), min(values), max(values))


def measure(
    contestants: Mapping[str, Contestant],
    *,
    rounds: int,
    seconds: float,
    tell: Callable[[str], None] = print,
    warm_steps: int = 3,
    in_processes: bool = True,
    patience: float = PATIENCE,
) -> tuple[Rates, dict[str, str]]:
    """Images per second of every contestant in every round, and why some could not take part.

    :param rounds: turns of each.
    :param seconds: of a turn; a step that has begun is finished.
    :param tell: gets a line of progress.
    :param warm_steps: of each before the first round.
    :param in_processes: False lets all work in this process: no figures, but a quick look whether they do work.
    :param patience: seconds after which a contestant in a process of its own has failed: to be built and warm, or
        for a turn beyond `seconds`.
    :raises Exception: what went wrong in the project itself; a peer that fails, in whatever round, is left out: its
        reason is told, its rates are not.
    """
    workers: dict[str, _Worker | _Here] = {}
    failures: dict[str, str] = {}
    try:
        for name, contestant in contestants.items():
            tell(f"{name}: building")
            try:
                workers[name] = (
                    _Worker(contestant, warm_steps, patience)
                    if in_processes
                    else _Here(contestant, warm_steps)
                )
            except Exception as error:
                failures[name] = _reason(name, error)
                tell(f"{name}: left out, {failures[name]}")
        rates: Rates = {name: [] for name in workers}
        for number in range(rounds):
            for name in in_turns(list(rates), number):
                try:
                    rates[name].append(workers[name].images_per_second(seconds))
                except Exception as error:
                    failures[name] = _reason(name, error)
                    del rates[name]
                    tell(f"{name}: left out from round {number + 1}, {failures[name]}")
            tell(f"round {number + 1}: " + ", ".join(f"{name} {rates[name][-1]:.4g}" for name in rates))
    finally:
        for worker in workers.values():
            worker.close()
    return rates, failures


def _reason(name: str, error: Exception) -> str:
    """Why a peer is left out, one line; where the project failed its exception is raised."""
    if name == PROJECT:
        raise error
    return f"{type(error).__name__}: {error}".splitlines()[0]


def in_turns(names: list[Name], number: int) -> list[Name]:
    """The names in the order of round `number`: every second round is the one before it backwards."""
    first = number // 2 % len(names)
    turned = names[first:] + names[:first]
    return turned[::-1] if number % 2 else turned


def best_peer(rates: Rates) -> str | None:
    """The name of the peer with the largest median; None where the project is alone."""
    peers = [name for name in rates if name != PROJECT]
    return max(peers, key=lambda name: statistics.median(rates[name])) if peers else None


def ratios(rates: Rates, peer: str) -> list[float]:
    """The project's rate over the peer's, round by round."""
    return [ours / theirs for ours, theirs in zip(rates[PROJECT], rates[peer], strict=True)]


class _Here:
    """One contestant in this process."""

    def __init__(self, contestant: Contestant, warm_steps: int) -> None:
        self._step = _warm_step(contestant, warm_steps)

    def images_per_second(self, seconds: float) -> float:
        images, elapsed = take_turn(self._step, seconds)
        return images / elapsed

    def close(self) -> None:
        pass


class _Worker:
    """One contestant in its process; what goes wrong there is raised here."""

    def __init__(self, contestant: Contestant, warm_steps: int, patience: float) -> None:
        self._patience = patience
        context = multiprocessing.get_context("spawn")
        self._link, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, contestant, warm_steps), daemon=True)
        self._process.start()
        other.close()
        self._receive(patience)

    def images_per_second(self, seconds: float) -> float:
        time.sleep(PAUSE)
        self._send(seconds)
        images, elapsed = self._receive(seconds + self._patience)
        return images / elapsed

    def close(self) -> None:
        self._send(None)
        self._process.join()

    def _send(self, message: float | None) -> None:
        with suppress(OSError):  # of a process that has ended `_receive` tells
            self._link.send(message)

    def _receive(self, timeout: float) -> Any:
        if not self._link.poll(timeout):
            self._process.kill()
            self._process.join()
            raise RuntimeError(f"it was not done within {timeout:g} s")
        try:
            answered = self._link.recv()
        except (EOFError, OSError):
            self._process.join()
            raise RuntimeError(f"its process ended with code {self._process.exitcode}") from None
        if isinstance(answered, Exception):
            self._process.join()
            raise answered
        return answered


def _work(link: Connection, contestant: Contestant, warm_steps: int) -> None:
    """The process of a contestant: build, warm up, and take turns until None comes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        step = _warm_step(contestant, warm_steps)
        link.send(None)
        while (seconds := link.recv()) is not None:
            link.send(take_turn(step, seconds))
    except Exception as error:
        try:
            link.send(error)
        except Exception:  # some cannot be pickled
            link.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _warm_step(contestant: Contestant, warm_steps: int) -> Step:
    """The contestant's step, after so many of them."""
    step = contestant.build(*contestant.arguments)
    for _ in range(warm_steps):
        step()
    return step


def take_turn(
    step: Step, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[int, float]:
    """Steps for so many seconds, at least one: the images they were, and the time they took."""
    start = clock()
    images, elapsed = step(), clock() - start
    while elapsed < seconds:
        images += step()
        elapsed = clock() - start
    return images, elapsed
