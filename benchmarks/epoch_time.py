"""Training ResNet-20 on CIFAR-10: images/s of the project against its PyTorch peer, side by side.

    python -m benchmarks.epoch_time DATA_DIR [--rounds 5] [--steps 100] [--output FILE]

Both sides make whole training steps, batches included: the project those of configs/resnet20-cifar10-fast.yaml,
through its data set, its prefetching and its optimizer's op, the peer those of benchmarks/torch_resnet.py. Each
lives in a process of its own, which sleeps while the other works; in every round both make the same number of
steps one after the other, and who comes first alternates, so that both meet the same state of the machine.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.arguments import cifar10_parser, require_counts
from benchmarks.cifar10_peer import require_torch
from benchmarks.decoding import processor
from learning.files import check_writable, write_text
from learning.scripts import run_script

RECIPE = "resnet20-cifar10-fast"
LEARNING_RATE = 0.01  # of every step: the speed does not depend on it, but the loss must stay finite
WARM_STEPS = 10  # of each side before the first round
PAUSE = 0.5  # seconds between two turns, for threads to go to sleep


def project_side(link: Connection, data_dir: str, limit: int | None) -> None:
    """The project's half: answers each number of steps with the seconds that they took, until None comes."""
    from learning.cli import parse_train

    sample = [] if limit is None else ["--data.sample_size", str(limit)]
    config = parse_train(["--config", RECIPE, "--data-dir", data_dir, *sample]).config
    from datasets.prefetch import Prefetcher
    from learning import experiment

    splits = experiment.open_data(config)
    experiment.check_fits(config, splits)
    train_set, train = splits.train, config.train
    optimizer = experiment.build_training(config, splits)
    model = optimizer.model
    with (
        experiment.open_session(model, train.threads) as sess,
        Prefetcher(train_set, train.batch_size, augment=train.augment_train) as batches,
    ):
        sess.run(optimizer.initialize)

        def step() -> None:
            images, labels, _ = next(batches)
            feed = model.feed(images, labels, is_train=True)
            feed[optimizer.learning_rate_placeholder] = LEARNING_RATE
            sess.run([optimizer.optimize, model.loss, model.pred], feed)

        serve(link, step, train.batch_size)


def peer_side(link: Connection, data_dir: str, limit: int | None) -> None:
    """The peer's half, likewise."""
    from benchmarks.torch_resnet import Peer, Settings
    from datasets.cifar10 import load_cifar10

    splits = load_cifar10(data_dir, val_fraction=0.0, sample_size=limit)
    peer = Peer(splits.train, Settings(threads=processor()[1]))
    batches = iter(peer.batches.epoch(peer.settings.batch_size))

    def step() -> None:
        nonlocal batches
        batch = next(batches, None)
        if batch is None:
            batches = iter(peer.batches.epoch(peer.settings.batch_size))
            batch = next(batches)
        peer.step(*batch, LEARNING_RATE)

    serve(link, step, peer.settings.batch_size)


def serve(link: Connection, step: Callable[[], None], batch_size: int) -> None:
    """Say that all is ready by the batch size; then time as many steps as are asked for, again and again."""
    for _ in range(WARM_STEPS):
        step()
    link.send(batch_size)
    while (num_steps := link.recv()) is not None:
        start = time.perf_counter()
        for _ in range(num_steps):
            step()
        link.send(time.perf_counter() - start)


def answer(link: Connection, work: Callable[..., None], data_dir: str, limit: int | None) -> None:
    """What the process of a side does: its work, and an error goes to whom it works for."""
    try:
        work(link, data_dir, limit)
    except Exception as error:
        link.send(error)


class Side:
    """One of the two in a process of its own; `images_per_second` lets it work, else it waits.

    What goes wrong there is raised here.
    """

    def __init__(self, work: Callable[..., None], data_dir: str, limit: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._link, other = context.Pipe()
        self._process = context.Process(target=answer, args=(other, work, data_dir, limit), daemon=True)
        self._process.start()
        other.close()
        self._batch_size = self._receive()

    def images_per_second(self, num_steps: int) -> float:
        """The rate of the next `num_steps` steps."""
        time.sleep(PAUSE)
        self._link.send(num_steps)
        return num_steps * self._batch_size / self._receive()

    def close(self) -> None:
        """End the process."""
        self._link.send(None)
        self._process.join()

    def _receive(self) -> Any:
        answered = self._link.recv()
        if isinstance(answered, Exception):
            raise answered
        return answered


def measure(data_dir: str, rounds: int, steps: int, limit: int | None) -> dict[str, list[float]]:
    """Rates in images/s of each round: {"project": [...], "peer": [...]}."""
    sides = {"project": Side(project_side, data_dir, limit), "peer": Side(peer_side, data_dir, limit)}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides) if number % 2 == 0 else reversed(sides):
            rates[name].append(sides[name].images_per_second(steps))
        print(
            f"round {number + 1}: " + ", ".join(f"{name} {rates[name][-1]:.0f}" for name in sides), flush=True
        )
    for side in sides.values():
        side.close()
    return rates


def summary(rates: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median, smallest and largest rate of each side, and of the ratio of each round (project to peer)."""
    ratios = [ours / theirs for ours, theirs in zip(rates["project"], rates["peer"], strict=True)]
    return {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in (*rates.items(), ("ratio", ratios))
    }


def print_table(result: dict[str, dict[str, float]], name: str, cores: int) -> None:
    """The result for people."""
    table = Table(title=f"ResNet-20, batch 128, bfloat16, whole training steps on {name}, {cores} cores")
    for column in ("", "median", "smallest", "largest"):
        table.add_column(column, justify="right" if column else "left")
    labels = {"project": "project, images/s", "peer": "PyTorch, images/s", "ratio": "ratio"}
    for key, label in labels.items():
        digits = 2 if key == "ratio" else 0
        table.add_row(label, *(f"{result[key][which]:.{digits}f}" for which in ("median", "min", "max")))
    Console().print(table)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = cifar10_parser("epoch_time", str(__doc__))
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side (default: 5)")
    parser.add_argument("--steps", type=int, default=100, help="updates in a round (default: 100)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    arguments = parser.parse_args()
    require_counts(parser, arguments, "rounds", "steps")
    return arguments


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    require_torch()
    if arguments.output:
        check_writable(arguments.output)
    load_before = os.getloadavg()[0]
    rates = measure(
        str(Path(arguments.data_dir).resolve()), arguments.rounds, arguments.steps, arguments.limit
    )
    name, cores = processor()
    result = summary(rates)
    print_table(result, name, cores)
    if arguments.output:
        figures = {
            "processor": name,
            "cores": cores,
            "load_before": load_before,
            "recipe": RECIPE,
            "rounds": arguments.rounds,
            "steps": arguments.steps,
            "rates": rates,
            "summary": result,
            "versions": {package: version(package) for package in ("tensorflow", "torch", "numpy")}
            | {"python": platform.python_version()},
            "date": time.strftime("%Y-%m-%d"),
        }
        write_text(arguments.output, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    run_script(main)
