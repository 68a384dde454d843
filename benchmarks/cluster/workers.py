"""Are two workers of one core faster than one process of two, and than PyTorch's DistributedDataParallel?

All compute batches of the same images: the project in one process with both cores and as two workers of one core
each, PyTorch as two processes over gloo. A process alone on one core with half of the batch shows what two workers
would reach if sums cost nothing. The bytes that a worker sends are half of those that the loopback interface
counts, which no other program should use. A ring's minimum is 2 (N - 1) / N of the gradients.
"""

import argparse
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, add_nets
from benchmarks.harness.made_images import as_splits, class_numbers, noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import NETS, Case
from benchmarks.harness.results import Figures, rate, spread, spread_of
from benchmarks.harness.turns import PROJECT, Contestant, Step, measure
from benchmarks.peers import LEARNING_RATE
from benchmarks.speed.training import run_config
from learning.terminal.command import ScriptParser

BATCH_SIZES = {"resnet20": 128, "resnet50": 32, "alexnet": 128}
GOALS = {"resnet20": 1.1, "resnet50": 1.0, "alexnet": 0.85}  # of two workers to one process
DDP_GOAL = 1.1  # of two workers to PyTorch's
TWO, HALF, DDP = f"{PROJECT}, two workers", f"{PROJECT}, one core, half the batch", "torch DDP"
LOOPBACK = Path("/sys/class/net/lo/statistics/tx_bytes")
BYTES_STEPS = 5  # over which bytes are counted


def alone(case: Case, cores: int, batch_size: int) -> Step:
    """Return the step of one process on so many cores, 0 for all."""
    if cores:
        _keep_to(0)
    splits = as_splits(noise(batch_size, case.side), case.num_classes, case.side)
    optimizer, sess = project.open_training(run_config(case, "float32"), splits, cores)
    batch = splits.train.images, splits.train.labels
    return project.update_step(optimizer, sess, repeat(batch), LEARNING_RATE)


def together(build: Callable[..., Step], case: Case, is_quick: bool) -> Step:
    """Return the step of two workers: `build(case, index, ports)` returns the step of one."""
    context, ports = multiprocessing.get_context("spawn"), _free_ports(2)
    asked = context.SimpleQueue()
    if not is_quick:  # which runs in the process that called it
        _keep_to(0)
    context.Process(target=_help, args=(build, case, ports, asked), daemon=True).start()
    own = build(case, 0, ports)

    def step() -> int:
        asked.put(True)
        own()
        return case.batch_size

    return step


def _help(build: Callable[..., Step], case: Case, ports: list[int], asked: Any) -> None:
    """Be worker 1: make a step whenever worker 0 makes one."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if len(os.sched_getaffinity(0)) == 1:  # the core of worker 0, which started this process
        _keep_to(1)
    step = build(case, 1, ports)
    while asked.get():
        step()


def project_worker(case: Case, index: int, ports: list[int]) -> Step:
    """Return the step of one of two workers of the project."""
    return project.worker_step(
        run_config(case, "float32"), as_splits(noise(case.batch_size, case.side), case.num_classes, case.side),
        [f"127.0.0.1:{port}" for port in ports], index, LEARNING_RATE,
    )  # fmt: skip


def torch_worker(case: Case, index: int, ports: list[int]) -> Step:
    """Return the step of one of two processes with DistributedDataParallel over gloo."""
    torch, net = libraries.torch(1), case.torch_net()
    from benchmarks.peers.torch_nets import training_update

    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{ports[0]}", rank=index, world_size=2)
    update = training_update(
        torch.nn.parallel.DistributedDataParallel(net.to(memory_format=torch.channels_last)),
        "float32",
        nesterov=case.rule == "nesterov",
    )
    size = case.batch_size // 2
    images, classes = map(torch.from_numpy, (noise(size, case.side), class_numbers(size, case.num_classes)))

    def step() -> int:
        update(images, classes)
        return size

    return step


def count_bytes(case: Case) -> dict[str, int]:
    """Return the bytes that a worker sends in a step, and those of the gradients."""
    step = together(project_worker, case, False)
    step()
    before = int(LOOPBACK.read_text())
    for _ in range(BYTES_STEPS):
        step()
    sent = (int(LOOPBACK.read_text()) - before) // (2 * BYTES_STEPS)
    parameters = project.num_parameters(case.network, case.side, case.num_classes, case.options)
    return {"sent_bytes": sent, "gradient_bytes": 4 * parameters}


def _keep_to(number: int) -> None:
    """Let this process run on one core alone."""
    os.sched_setaffinity(0, {number})


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure net by net."""
    found: dict[str, Any] = {"cases": []}
    for name in arguments.nets or (("resnet20",) if arguments.quick else tuple(BATCH_SIZES)):
        case = NETS[name]._replace(batch_size=BATCH_SIZES[name])
        case = case.quick()._replace(batch_size=4) if arguments.quick else case
        print(f"{name}, batch {case.batch_size}", flush=True)
        contestants = {
            PROJECT: Contestant(alone, (case, 0, case.batch_size)),
            TWO: Contestant(together, (project_worker, case, arguments.quick)),
        }
        if not arguments.quick:
            contestants[HALF] = Contestant(alone, (case, 1, case.batch_size // 2))
            contestants[DDP] = Contestant(together, (torch_worker, case, False))
        rates, failures = measure(
            contestants, rounds=arguments.rounds, seconds=arguments.seconds, in_processes=not arguments.quick
        )
        sent = {} if arguments.quick else _in_process(count_bytes, case)
        about = {"net": name, "batch_size": case.batch_size, "rates": rates, "failures": failures}
        found["cases"].append(about | sent)
        yield found


def _in_process(function: Callable[..., dict[str, int]], case: Case) -> dict[str, int]:
    """Return what a function finds in a process of its own, whose affinity it may change."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, case).result()


def table(figures: Figures) -> str:
    """Return the rate of two workers, and its ratios to the others."""
    rows = []
    for case in figures["cases"]:
        rates = case["rates"]
        row = [f"{case['net']}, {case['batch_size']}", rate(spread_of(rates[TWO]))]
        for other, factor in ((PROJECT, 1), (HALF, 2), (DDP, 1)):
            pairs = zip(rates[TWO], rates.get(other) or (), strict=False)
            ratios = [ours / (factor * theirs) for ours, theirs in pairs]
            row.append(spread(spread_of(ratios)) if ratios else "")
        minimum = case.get("gradient_bytes")
        row.append(f"{case['sent_bytes'] / minimum:.2f}" if minimum else "")
        rows.append([*row, f"{GOALS[case['net']]:g}, {DDP_GOAL:g}"])
    ratios_to = ("to one process", "to twice one core", "to PyTorch's DDP", "bytes to the minimum")
    return markdown(["net, batch", "images/s", *ratios_to, "goals"], rows)


def _add_nets(parser: ScriptParser) -> None:
    add_nets(parser, tuple(BATCH_SIZES))


main = Benchmark(
    name="workers", text=str(__doc__), steps=steps, table=table, rounds=6, seconds=8.0, add_options=_add_nets
)
