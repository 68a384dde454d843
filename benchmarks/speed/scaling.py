"""How cost grows: time and anonymous memory over batch size, data set, threads and number of files.

    python -m benchmarks.speed.scaling [--rounds 3] [--seconds 5] [--largest 1000000] [--output FILE]

A small net learns from made images of 32x32 in a memory-mapped file that takes no room on disk:

- batch size: an update, 1 to 256 images;
- data set: one epoch by `Optimizer.train`, 1,000 to 1,000,000 images, from opening the file to the end;
- threads: an update of 128 images;
- files: opening a labelled folder whose images are decoded already, 100 to 25,000 files.

Every cell is measured in a fresh process, in turns. The exponent is the slope of a straight line through the
logarithms: 1 is linear growth, 0 none. That of the two largest sizes is told beside it, since what does not grow
hides at small sizes what does. Nothing may grow faster than linearly by the larger of both.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    conditions,
    keep,
    measurement_parser,
    parse_measurement,
    require_counts,
)
from benchmarks.harness.made import open_splits, write_blank, write_tree
from benchmarks.harness.sides import Spread, in_turns, take_turn
from benchmarks.harness.watch import PeakMemory, in_fresh_process, in_this_process, require_linux
from learning.machine.cpu import usable_cores
from learning.terminal.command import run_script

SIDE, CROP_SIZE, NUM_CLASSES, WIDTH = 32, 28, 10, 4
FILE_SIDE = 256  # of the images in files, pixels
LARGEST_EXPONENT = 1.05  # above which growth is called faster than linear: times scatter
EXPONENTS = {"exponents": "exponent", "last_exponents": "of the two largest"}  # in the figures, for people
COLUMNS = ("images/s", "seconds", "peak RssAnon, MB")  # beside the size
WARM_STEPS = 3

Figures = dict[str, float]  # "seconds" and "peak_bytes"; "images" that took so long


class Sizes(NamedTuple):
    """What is varied, and what is not."""

    batch_sizes: tuple[int, ...]
    num_images: tuple[int, ...]
    threads: tuple[int, ...]
    num_files: tuple[int, ...]
    few_images: int  # of the sets that are not varied
    batch_size: int  # where it is not varied


class Cell(NamedTuple):
    """One measurement: `work(*arguments)`, to be called in a fresh process."""

    work: Callable[..., Figures]
    arguments: tuple[Any, ...]


Sweep = dict[int, Cell]  # by the size that grows


def full_sizes(largest: int, cores: int) -> Sizes:
    """Those of the figures; data sets grow tenfold up to `largest`."""
    num_images = tuple(10**power for power in range(3, 10) if 10**power <= largest)
    return Sizes(
        (1, 4, 16, 64, 256),
        num_images or (largest,),
        tuple(sorted({1, cores})),
        (100, 1000, 25_000),
        4096,
        128,
    )


QUICK_SIZES = Sizes((2,), (8,), (1,), (20, 40), 8, 8)


def _build_training(path: Path, batch_size: int, threads: int) -> tuple[Any, Any]:
    """The optimizer of one epoch on the images at `path`, and a session."""
    from learning.config.run_config import RunConfig
    from learning.fit import build_training
    from learning.machine.session import open_session

    config = RunConfig.from_dict(
        {
            "data": {"image_size": SIDE, "crop_size": CROP_SIZE},
            "model": {"name": "smallnet", "options": {"width": WIDTH}},
            "train": {"batch_size": batch_size, "num_epochs": 1, "threads": threads},
        }
    )
    optimizer = build_training(config, open_splits(path, NUM_CLASSES, CROP_SIZE))
    return optimizer, open_session(optimizer.model, threads)


def update_cell(path: Path, batch_size: int, threads: int, seconds: float) -> Figures:
    """The mean seconds of an update with a prefetched batch."""
    with PeakMemory() as memory:
        from datasets.prefetch import Prefetcher

        optimizer, sess = _build_training(path, batch_size, threads)
        with sess, Prefetcher(optimizer.train_set, batch_size) as batches:
            step = libraries.project_update(optimizer, sess, batches, optimizer.curr_learning_rate)
            for _ in range(WARM_STEPS):
                step()
            images, elapsed = take_turn(step, seconds)
    return {"seconds": elapsed * batch_size / images, "images": batch_size, "peak_bytes": memory.peak}


def epoch_cell(path: Path, batch_size: int, threads: int) -> Figures:
    """The seconds of an epoch, with opening the set, building and saving; without importing TensorFlow."""
    with PeakMemory() as memory, tempfile.TemporaryDirectory() as run:
        from learning.machine import session  # noqa: F401  importing TensorFlow is not what grows
        from learning.optimizers import Optimizer  # noqa: F401

        start = time.perf_counter()
        optimizer, sess = _build_training(path, batch_size, threads)
        with sess:
            optimizer.train(sess, run, verbose=False)
        elapsed = time.perf_counter() - start
    return {"seconds": elapsed, "images": optimizer.train_set.num_examples, "peak_bytes": memory.peak}


def start_cell(root: Path, cache_dir: Path) -> Figures:
    """The seconds of opening a labelled folder."""
    with PeakMemory() as memory:
        import sklearn.model_selection  # noqa: F401  which the split imports: that is not what grows

        from datasets.folder import load_folder

        start = time.perf_counter()
        splits = load_folder(root, image_size=SIDE, crop_size=CROP_SIZE, cache_dir=cache_dir)
        elapsed = time.perf_counter() - start
    images = sum(part.num_examples for part in (splits.train, splits.val, splits.test) if part is not None)
    return {"seconds": elapsed, "images": images, "peak_bytes": memory.peak}


def sweeps(folder: Path, sizes: Sizes, threads: int, seconds: float) -> dict[str, Sweep]:
    """All cells, by what grows; makes the files that they need in `folder`, and decodes them."""
    few = folder / "few.npy"
    write_blank(few, sizes.few_images, SIDE)
    sets = {count: folder / f"{count}.npy" for count in sizes.num_images}
    for count, path in sets.items():
        write_blank(path, count, SIDE)
    trees = {count: folder / f"files{count}" for count in sizes.num_files}
    for count, root in trees.items():
        write_tree(root, count, FILE_SIDE, seed=0)
        start_cell(root, folder / "cache")
    return {
        "batch size": {size: Cell(update_cell, (few, size, threads, seconds)) for size in sizes.batch_sizes},
        "data set": {
            count: Cell(epoch_cell, (path, sizes.batch_size, threads)) for count, path in sets.items()
        },
        "threads": {
            count: Cell(update_cell, (few, sizes.batch_size, count, seconds)) for count in sizes.threads
        },
        "files": {count: Cell(start_cell, (root, folder / "cache")) for count, root in trees.items()},
    }


def measure_sweep(sweep: Sweep, rounds: int, call: Callable[..., Figures]) -> dict[str, Any]:
    """Every cell once in each round: medians by size, and how they grow.

    :param call: how a cell is worked: `watch.in_fresh_process`, or here.
    """
    taken: dict[int, list[Figures]] = {size: [] for size in sweep}
    for number in range(rounds):
        for size in in_turns(list(sweep), number):
            taken[size].append(call(sweep[size].work, *sweep[size].arguments))
            print(f"  round {number + 1}, {size:,}: {taken[size][-1]['seconds']:.4g} s", flush=True)
    rows = [{"size": size, **_medians(figures)} for size, figures in taken.items()]
    sizes = [row["size"] for row in rows]
    growing = {key: [row[key] for row in rows] for key in ("seconds", "peak_bytes")}
    return {
        "rows": rows,
        "exponents": {key: slope(sizes, values) for key, values in growing.items()},
        "last_exponents": {key: slope(sizes[-2:], values[-2:]) for key, values in growing.items()},
    }


def _medians(figures: Sequence[Figures]) -> Figures:
    medians = {key: Spread.of([row[key] for row in figures]).median for key in figures[0]}
    return medians | {"images_per_second": medians["images"] / medians["seconds"]}


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent p of the power law size ** p that fits the values best, by least squares of the logarithms.

    0 where there is only one size.
    """
    if len(sizes) < 2:
        return 0.0
    logarithms = np.log(sizes)
    offsets = logarithms - logarithms.mean()
    return float(offsets @ np.log(values) / (offsets @ offsets))


def print_sweep(name: str, found: dict[str, Any]) -> None:
    """The result for people."""
    table = Table(title=f"growth over {name}")
    for column in (name, *COLUMNS):
        table.add_column(column, justify="right")
    for row in texts(found):
        table.add_row(*row)
    Console().print(table)
    if max(max(found[which].values()) for which in EXPONENTS) > LARGEST_EXPONENT:
        print(f"missed: something grows faster than linearly over {name}")


def texts(found: dict[str, Any]) -> list[list[str]]:
    """A sweep for people: size and COLUMNS, and the exponents below them."""
    rows = []
    for row in found["rows"]:
        rate, peak = f"{row['images_per_second']:,.0f}", f"{row['peak_bytes'] / 1e6:,.0f}"
        rows.append([f"{row['size']:,}", rate, f"{row['seconds']:.3g}", peak])
    for which, text in EXPONENTS.items():
        exponents = found[which]
        rows.append([text, "", f"{exponents['seconds']:.2f}", f"{exponents['peak_bytes']:.2f}"])
    return rows


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("scaling", str(__doc__), rounds=3, seconds=5.0)
    parser.add_argument(
        "--largest", type=int, default=10**6, metavar="N", help="images of the largest set (default: 1000000)"
    )
    arguments = parse_measurement(parser)
    require_counts(parser, arguments, "largest")
    return arguments


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    require_linux()
    cores = usable_cores()
    sizes = QUICK_SIZES if arguments.quick else full_sizes(arguments.largest, cores)
    figures = {**conditions(arguments), "sweeps": {}}
    call = in_this_process if arguments.quick else in_fresh_process
    with tempfile.TemporaryDirectory() as name:
        for what, sweep in sweeps(Path(name), sizes, arguments.threads, arguments.seconds).items():
            print(what, flush=True)
            figures["sweeps"][what] = measure_sweep(sweep, arguments.rounds, call)
            print_sweep(what, figures["sweeps"][what])
            keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
