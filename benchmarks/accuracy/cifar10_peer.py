"""The PyTorch reference of configs/resnet20-cifar10-fast.yaml, trained from its start to its end.

    python -m benchmarks.accuracy.cifar10_peer DATA_DIR [--epochs 30] [--seed 0] [--output FILE.json]

The same files, batch size and update rule as in the recipe, in PyTorch on the processor. What differs is the net,
the paper's ResNet-20 with 64 channels in its last stage, the padding of 4 pixels, and the length of 30 epochs. What
it reaches on the 10,000 test images with one crop, and how long it takes, is what the recipe is compared with.
Seconds of an epoch are those of its updates, batches included, without the test.
"""

import argparse
import dataclasses
import importlib.util
import json
import math
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.commands import cifar10_parser, require_counts
from datasets.cifar10 import load_cifar10
from datasets.splits import Splits
from datasets.storage.atomic import check_writable, write_text
from learning.errors import UsageError
from learning.machine.cpu import processor_name, usable_cores
from learning.schedules import CosineSchedule
from learning.terminal.command import run_script

if TYPE_CHECKING:
    from benchmarks.peers.torch_cifar10 import Peer, Settings

TEST_EVERY = 5  # epochs


def require_torch() -> None:
    """UsageError where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise UsageError("the peer needs PyTorch, which is not installed: pip install -e '.[bench]'")


def train(splits: Splits, settings: "Settings") -> dict[str, Any]:
    """Train the peer on `splits.train`, test it on `splits.test`; the figures, ready for JSON."""
    from benchmarks.peers.torch_cifar10 import Peer

    steps_per_epoch = splits.train.num_examples // settings.batch_size
    if steps_per_epoch == 0:
        raise UsageError(
            f"--batch-size is {settings.batch_size}, more than the {splits.train.num_examples} training images"
        )
    total_steps = settings.epochs * steps_per_epoch
    warmup_steps = min(settings.warmup_epochs * steps_per_epoch, total_steps // 5)
    schedule = CosineSchedule(settings.learning_rate, total_steps=total_steps, warmup_steps=warmup_steps)
    peer = Peer(splits.train, settings)
    history: list[dict[str, Any]] = []
    for epoch in range(1, settings.epochs + 1):
        row = {"epoch": epoch, **train_epoch(peer, schedule, (epoch - 1) * steps_per_epoch)}
        if epoch % TEST_EVERY == 0 or epoch == settings.epochs:
            row["accuracy"] = peer.accuracy(splits.test or splits.train)
        history.append(row)
        print(epoch_line(row), flush=True)
    return figures(splits, settings, history, steps_per_epoch * settings.batch_size)


def train_epoch(peer: "Peer", schedule: CosineSchedule, first_step: int) -> dict[str, float]:
    """One pass over the set: mean loss, seconds, and how many of these went into making batches."""
    losses: list[float] = []
    waiting = 0.0
    start = last = time.perf_counter()
    for images, labels in peer.batches.epoch(peer.settings.batch_size):
        waiting += time.perf_counter() - last
        losses.append(peer.step(images, labels, schedule.learning_rate(first_step + len(losses))))
        last = time.perf_counter()
    seconds = time.perf_counter() - start
    return {"loss": math.fsum(losses) / len(losses), "seconds": seconds, "batch_seconds": waiting}


def epoch_line(row: dict[str, Any]) -> str:
    """An epoch for people."""
    accuracy = f"  test {row['accuracy']:.4f}" if "accuracy" in row else ""
    return f"epoch {row['epoch']:>3}  loss {row['loss']:.4f}{accuracy}  {row['seconds']:.1f} s"


def figures(
    splits: Splits, settings: "Settings", history: list[dict[str, Any]], images_per_epoch: int
) -> dict[str, Any]:
    """What the JSON file holds."""
    seconds = [row["seconds"] for row in history]
    return {
        "accuracy": history[-1]["accuracy"],
        "crops": 1,
        "num_images": {
            "train": splits.train.num_examples,
            "test": (splits.test or splits.train).num_examples,
        },
        "training_seconds": math.fsum(seconds),
        "images_per_second": images_per_epoch * len(seconds) / math.fsum(seconds),
        "batch_share": math.fsum(row["batch_seconds"] for row in history) / math.fsum(seconds),
        "epoch_seconds": [round(value, 3) for value in seconds],
        "history": [
            {key: row[key] for key in ("epoch", "loss", "accuracy") if key in row} for row in history
        ],
        "settings": dataclasses.asdict(settings),
        "versions": {"torch": version("torch"), "numpy": version("numpy")},
        "processor": processor_name(),
        "cores": usable_cores(),
        "threads": settings.threads,
        "date": time.strftime("%Y-%m-%d"),
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = cifar10_parser("cifar10_peer", str(__doc__))
    parser.add_argument(
        "--epochs", type=int, default=30, help="passes over the training images (default: 30)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the order, the crops and the initial weights (default: 0)"
    )
    parser.add_argument("--batch-size", type=int, default=128, help="images in one update (default: 128)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    arguments = parser.parse_args()
    require_counts(parser, arguments, "epochs", "batch_size")
    return arguments


def main() -> None:
    """Train, print a line for each epoch, and write the figures to a file if asked to."""
    arguments = parse()
    require_torch()
    if arguments.output:
        check_writable(arguments.output)
    splits = load_cifar10(arguments.data_dir, val_fraction=0.0, sample_size=arguments.limit)
    from benchmarks.peers.torch_cifar10 import Settings

    settings = Settings(
        batch_size=arguments.batch_size, epochs=arguments.epochs, seed=arguments.seed, threads=usable_cores()
    )
    result = train(splits, settings)
    print(
        f"test accuracy {result['accuracy']:.4f} after {result['training_seconds'] / 60:.1f} minutes, "
        f"{result['images_per_second']:.0f} images/s, {100 * result['batch_share']:.1f}% of it for the batches"
    )
    if arguments.output:
        write_text(arguments.output, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    run_script(main)
