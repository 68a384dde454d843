"""Run workers that step together: one in this process, the others in processes that it starts."""

import copy
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from benchmarks.harness import project
from benchmarks.harness.nets import Case
from benchmarks.harness.turns import Step
from benchmarks.peers import LEARNING_RATE
from benchmarks.speed.training import run_config
from learning.launch import free_ports

Found = TypeVar("Found")


def together(build: Callable[..., Step], count: int, arguments: tuple[Any, ...], apart: bool = True) -> Step:
    """Return a step of `count` workers, each on its own core while there are enough cores.

    :param build: `build(index, addresses, *arguments)` returns the step of a worker.
    :param apart: False runs the other workers as threads of this process, which shows that they work, not how fast.
    """
    context = multiprocessing.get_context("spawn")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    cores = sorted(os.sched_getaffinity(0)) if apart else []
    asked = [context.SimpleQueue() for _ in range(1, count)]
    for index, queue in enumerate(asked, 1):
        helper = (build, index, addresses, copy.deepcopy(arguments), cores, queue)
        start = context.Process if apart else threading.Thread
        start(target=_help, args=helper, daemon=True).start()
    own = _built(build, 0, addresses, arguments, cores)

    def step() -> int:
        for queue in asked:
            queue.put(True)
        return count * own()

    return step


def _help(
    build: Callable[..., Step],
    index: int,
    addresses: list[str],
    arguments: tuple[Any, ...],
    cores: list[int],
    asked: Any,
) -> None:
    """Run a worker other than the first: make a step whenever the first one does."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    step = _built(build, index, addresses, arguments, cores)
    while asked.get():
        step()


def _built(
    build: Callable[..., Step], index: int, addresses: list[str], arguments: tuple[Any, ...], cores: list[int]
) -> Step:
    if cores:
        keep_to(cores[index % len(cores)])
    return build(index, addresses, *arguments)


def keep_to(number: int) -> None:
    """Restrict this process to one core."""
    os.sched_setaffinity(0, {number})


def in_process(function: Callable[..., Found], *arguments: Any) -> Found:
    """Call a function in a new process, whose affinity it may change, and return its result."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def project_worker(
    index: int,
    addresses: list[str],
    case: Case,
    bucket_bytes: int | None = None,
    traces: list[Any] | None = None,
) -> Step:
    """Return the step of one of several workers; see `benchmarks.harness.project.worker_step`."""
    given = run_config(case, "float32"), case.splits(), addresses, index, LEARNING_RATE
    return project.worker_step(*given, bucket_bytes=bucket_bytes, traces=traces)
