"""Training ResNet-20 on CIFAR-10: images/s of the project against its PyTorch peer, side by side.

    python -m benchmarks.speed.epoch_time DATA_DIR [--rounds 5] [--seconds 20] [--output FILE]

Both make whole training steps of the paper's net, batches included: the project those of
configs/resnet20-cifar10-fast.yaml with the paper's widths, through its data set, its prefetching and its
optimizer's op, the peer those of benchmarks/peers/torch_cifar10.py, once with its batches cut between the updates
and once ahead, on a thread, as the project's are: which is faster depends on the cores. Each lives in a process
of its own, and they take turns (benchmarks/harness/sides.py).
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.accuracy.cifar10_peer import require_torch
from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    PAPER_WIDTHS,
    add_cifar10_options,
    conditions,
    keep,
    measurement_parser,
    parse_measurement,
)
from benchmarks.harness.figures import print_table, summary
from benchmarks.harness.hardware import emulation
from benchmarks.harness.sides import PROJECT, Contestant, Step, measure
from learning.terminal.command import run_script

RECIPE = "resnet20-cifar10-fast"
LEARNING_RATE = 0.01  # of every step: the speed does not depend on it, but the loss must stay finite
WARM_STEPS = 10  # of each before the first round


def project_step(data_dir: str, limit: int | None, threads: int) -> Step:
    """The step of the recipe's training loop."""
    from learning.config.command_line import parse_train

    sample = [] if limit is None else ["--data.sample_size", str(limit)]
    options = ["--data-dir", data_dir, "--train.threads", str(threads), *sample]
    config = parse_train(["--config", RECIPE, *PAPER_WIDTHS, *options]).config
    from datasets.prefetch import Prefetcher
    from learning.fit import build_training
    from learning.machine.precision import with_precision
    from learning.machine.session import open_session
    from learning.runs import data as run_data

    config, _ = with_precision(config)
    splits = run_data.open_data(config)
    run_data.check_fits(config, splits)
    train = config.train
    optimizer = build_training(config, splits)
    sess = open_session(optimizer.model, train.threads)
    batches = Prefetcher(splits.train, train.batch_size, augment=train.augment_train)
    return libraries.project_update(optimizer, sess, batches, LEARNING_RATE)


def torch_step(data_dir: str, limit: int | None, threads: int, is_ahead: bool) -> Step:
    """The step of the peer, through the set again and again.

    :param is_ahead: whether the next batch is cut during an update.
    """
    from benchmarks.peers.torch_cifar10 import Peer, Settings
    from datasets.cifar10 import load_cifar10

    splits = load_cifar10(data_dir, val_fraction=0.0, sample_size=limit)
    peer = Peer(splits.train, Settings(threads=threads))
    size = peer.settings.batch_size
    batches = (batch for _ in count() for batch in peer.batches.epoch(size))
    taken = _ahead(batches) if is_ahead else batches

    def step() -> int:
        images, labels = next(taken)
        peer.step(images, labels, LEARNING_RATE)
        return len(images)

    return step


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches, the next of which is made on a thread while one is used."""
    with ThreadPoolExecutor(1) as cutter:
        following = cutter.submit(next, batches)
        while True:
            batch = following.result()
            following = cutter.submit(next, batches)
            yield batch


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("epoch_time", str(__doc__), rounds=5, seconds=20.0)
    add_cifar10_options(parser)
    return parse_measurement(parser)


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    require_torch()
    precision = "float32" if emulation() else "bfloat16"  # as both choose it
    figures = {
        **conditions(arguments),
        "precision": precision,
        "recipe": RECIPE,
        "train_options": PAPER_WIDTHS,
        "limit": arguments.limit,
    }
    given = (str(Path(arguments.data_dir).resolve()), arguments.limit, arguments.threads)
    rates, failures = measure(
        {
            PROJECT: Contestant(project_step, given),
            "torch": Contestant(torch_step, (*given, False)),
            "torch, batches ahead": Contestant(torch_step, (*given, True)),
        },
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_steps=1 if arguments.quick else WARM_STEPS,
        in_processes=not arguments.quick,
    )
    found = summary(rates, failures)
    print_table(f"ResNet-20, batch 128, {precision}, whole training steps", found)
    keep(arguments, figures | found)


if __name__ == "__main__":
    run_script(main)
