"""Memory of training from decoded images: 25,000 images of 256x256 against 256 of them.

    python -m benchmarks.speed.memory [--images 25000] [--folder DIR] [--output FILE]

Two labelled folders of JPEG files are made, a few hundred pictures under many names, and decoded into the
cache. Then a fresh process for each folder loads it from that cache, builds a small network and trains one
epoch with validation, while a thread reads the anonymous memory of the process (RssAnon, Linux) every 20 ms:
what the process has for itself, without the pages of mapped files, which the system takes back when it needs
them. What the set of images costs is the difference of the two peaks; its goal is below 300 MB.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness.commands import (
    conditions,
    keep,
    measurement_parser,
    parse_measurement,
    working_folder,
)
from benchmarks.harness.made import write_tree
from benchmarks.harness.watch import (
    PeakMemory,
    anonymous_bytes,
    in_fresh_process,
    in_this_process,
    require_linux,
)
from datasets.errors import StorageError
from datasets.folder import load_folder
from learning.terminal.command import run_script

IMAGE_SIZE, CROP_SIZE, BATCH_SIZE, WIDTH = 256, 64, 128, 8
FEW = 256  # images of the set that the other is compared with
QUICK_IMAGES = 300  # of the other with --quick
GOAL = 300e6  # bytes


def bytes_needed(num_images: int) -> int:
    """Room for both caches, the pictures and a checkpoint: the pixels, and a twentieth more."""
    return int((num_images + FEW) * IMAGE_SIZE**2 * 3 * 1.05) + 200 * 2**20


def check_room(folder: Path, num_bytes: int) -> None:
    """Refuses to start what could not end."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise StorageError(
            f"the images take {num_bytes / 1e9:.1f} GB, but '{folder}' has {free / 1e9:.1f} GB free; "
            "choose another place with --folder, or fewer --images"
        )


def prepare(folder: Path, num_images: int, seed: int) -> float:
    """Makes the set of so many images, if it is not there, and decodes it: seconds of `load_folder`."""
    root = folder / str(num_images)
    if not root.exists():
        partial = folder / f"{num_images}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_tree(partial, num_images, IMAGE_SIZE, seed)
        partial.rename(root)
    start = time.perf_counter()
    load_folder(root, image_size=IMAGE_SIZE, crop_size=CROP_SIZE, seed=seed, cache_dir=folder / "cache")
    return time.perf_counter() - start


def train_epoch(folder: Path, num_images: int, seed: int, threads: int) -> dict[str, Any]:
    """Loads one of the sets, builds a network and trains an epoch, as train.py does; to be run on its own."""
    from learning.config.run_config import DataConfig, ModelConfig, OptimizerConfig, RunConfig, TrainConfig

    config = RunConfig(
        data_dir=str(folder / str(num_images)),
        data=DataConfig(
            name="folder", image_size=IMAGE_SIZE, crop_size=CROP_SIZE, cache_dir=str(folder / "cache")
        ),
        model=ModelConfig(name="smallnet", options={"width": WIDTH}),
        optimizer=OptimizerConfig(name="momentum"),
        train=TrainConfig(batch_size=BATCH_SIZE, num_epochs=1, seed=seed, threads=threads),
    )
    with PeakMemory() as memory, tempfile.TemporaryDirectory(dir=folder) as run:
        from learning.fit import build_training
        from learning.machine.session import open_session
        from learning.optimizers import Optimizer  # noqa: F401  before memory is looked at
        from learning.runs import data as run_data

        before = anonymous_bytes()
        start = time.perf_counter()
        splits = run_data.open_data(config)
        loading_seconds = time.perf_counter() - start
        loaded = anonymous_bytes()
        optimizer = build_training(config, splits)
        with open_session(optimizer.model, threads) as sess:
            optimizer.train(sess, run, verbose=False)
        epoch_seconds = time.perf_counter() - start - loading_seconds
    return {
        "num_images": num_images,
        "set_bytes": num_images * IMAGE_SIZE**2 * 3,
        "peak_bytes": memory.peak,
        "loading_bytes": loaded - before,
        "loading_seconds": loading_seconds,
        "epoch_seconds": epoch_seconds,
    }


def measure(
    folder: Path, num_images: int, seed: int, threads: int, call: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """Both sets decoded and trained on: {"few": ..., "many": ..., "difference_bytes": ..., ...}.

    :param call: how `train_epoch` is called: `watch.in_fresh_process`, or here.
    """
    if not (folder / str(num_images)).exists():
        check_room(folder, bytes_needed(num_images))
    prepare(folder, FEW, seed)
    decoding_seconds = prepare(folder, num_images, seed)
    few, many = (call(train_epoch, folder, count, seed, threads) for count in (FEW, num_images))
    return {
        "few": few,
        "many": many,
        "difference_bytes": many["peak_bytes"] - few["peak_bytes"],
        "goal_bytes": GOAL,
        "decoding_seconds": decoding_seconds,
    }


def print_table(result: dict[str, Any]) -> None:
    """The result for people."""
    table = Table(title=f"RssAnon in one epoch on images of {IMAGE_SIZE}x{IMAGE_SIZE}")
    for column in ("images", "set, bytes", "peak, MB", "loading, MB", "loading, s", "epoch, s"):
        table.add_column(column, justify="right")
    for row in (result["few"], result["many"]):
        table.add_row(
            f"{row['num_images']:,}",
            f"{row['set_bytes']:,}",
            f"{row['peak_bytes'] / 1e6:.1f}",
            f"{row['loading_bytes'] / 1e6:.1f}",
            f"{row['loading_seconds']:.2f}",
            f"{row['epoch_seconds']:.1f}",
        )
    met = "met" if result["difference_bytes"] < GOAL else "missed"
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"difference: {result['difference_bytes'] / 1e6:.1f} MB (goal: below {GOAL / 1e6:.0f}, {met})"
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("memory", str(__doc__))
    parser.add_argument("--images", type=int, default=25000, help="of the larger set (default: 25000)")
    parser.add_argument(
        "--folder", type=Path, help="made if need be, kept, and used again (default: temporary)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of images and training (default: 0)")
    arguments = parse_measurement(parser)
    if arguments.quick:
        arguments.images = QUICK_IMAGES
    if arguments.images <= FEW:
        parser.error(f"--images is {arguments.images}; give more than the {FEW} that it is compared with")
    return arguments


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    require_linux()
    figures = conditions(arguments)
    call = in_this_process if arguments.quick else in_fresh_process
    with working_folder(arguments.folder) as folder:
        figures |= measure(folder, arguments.images, arguments.seed, arguments.threads, call)
    print_table(figures)
    keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
