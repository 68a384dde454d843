"""Memory of training AlexNet on many images from a memory map: the project, PyTorch and Keras.

    python -m benchmarks.speed.memory_peers [--images 25000] [--folder DIR] [--output FILE]

Images are bytes of 256x256 in a file, black and therefore without room on disk; a batch is 128 random windows of
227 pixels. Each contestant makes some updates in a fresh process, as its users would: the project through its data
set and prefetching; PyTorch through a `DataLoader` with as many worker processes as each library has threads; Keras
by `fit` on tf.data. Meanwhile the memory that no file stands behind is read, of the process and all that it
started: private pages, and, once for all who share them, such as the batches that torch's workers hand over.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    add_precision,
    conditions,
    keep,
    measurement_parser,
    parse_measurement,
    precisions,
    require_counts,
    working_folder,
)
from benchmarks.harness.made import class_numbers, open_splits, write_blank
from benchmarks.harness.sides import PROJECT
from benchmarks.harness.watch import (
    PeakMemory,
    family_bytes,
    in_fresh_process,
    in_this_process,
    require_linux,
)
from benchmarks.peers.windows import Windows
from learning.terminal.command import run_script

NUM_CLASSES = 2
INTERVAL = 0.1  # seconds between two looks, of which each takes some milliseconds
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.001, 0.9, 5e-4


class Work(NamedTuple):
    """What each makes."""

    num_images: int
    image_size: int = 256
    crop_size: int = 227
    batch_size: int = 128
    updates: int = 30
    threads: int = 0  # of each library, and worker processes of torch's loader; 0 leaves the number to it


QUICK = Work(8, image_size=72, crop_size=67, batch_size=2, updates=1)


def train_project(path: Path, work: Work, precision: str) -> None:
    """Updates through `Prefetcher`, as learning/training/loop.py makes them."""
    from datasets.prefetch import Prefetcher
    from learning.config.run_config import RunConfig
    from learning.fit import build_training
    from learning.machine.session import open_session

    net = {"name": "alexnet", "precision": precision, "options": {"dropout_prob": 0.5}}
    config = RunConfig.from_dict({"model": net, "train": {"batch_size": work.batch_size}})
    optimizer = build_training(config, open_splits(path, NUM_CLASSES, work.crop_size))
    with (
        open_session(optimizer.model, work.threads) as sess,
        Prefetcher(optimizer.train_set, work.batch_size) as batches,
    ):
        step = libraries.project_update(optimizer, sess, batches, LEARNING_RATE)
        for _ in range(work.updates):
            step()


def train_torch(path: Path, work: Work, precision: str) -> None:
    """The training loop of PyTorch's documentation, in channels_last."""
    torch = libraries.torch(work.threads)
    from benchmarks.peers.torch_nets import build

    net: Any = build("alexnet", work.crop_size, NUM_CLASSES, dropout_prob=0.5)
    net = net.to(memory_format=torch.channels_last)  # the types of torch lack `memory_format`
    optimizer = torch.optim.SGD(
        net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True
    )
    images = np.load(path, mmap_mode="c", allow_pickle=False)  # what is only read stays the file's
    dataset = Windows(images, class_numbers(len(images), NUM_CLASSES), work.crop_size)
    sampler = torch.utils.data.RandomSampler(
        dataset, num_samples=work.updates * work.batch_size, replacement=True
    )
    # Forked, as in a script of one's own on Linux: started afresh, as this process was, each would copy all images.
    start = "fork" if work.threads else None
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=work.batch_size,
        sampler=sampler,
        num_workers=work.threads,
        multiprocessing_context=start,
    )
    for windows, classes in loader:
        optimizer.zero_grad(set_to_none=True)
        pixels = windows.permute(0, 3, 1, 2).float() / 255 - 0.5  # (B, 3, h, w), in memory channels_last
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(pixels)
        torch.nn.functional.cross_entropy(logits.float(), classes).backward()
        optimizer.step()


def train_keras(path: Path, work: Work, precision: str) -> None:
    """`fit` on a pipeline that reads the chosen images of the file."""
    tf = libraries.tensorflow(work.threads)
    import keras

    from benchmarks.peers.keras_nets import build

    images = np.load(path, mmap_mode="r", allow_pickle=False)
    shape = images.shape[1:]

    def read(index: Any) -> Any:
        pixels = tf.ensure_shape(tf.numpy_function(lambda row: images[row], [index], tf.uint8), shape)
        crop = tf.image.random_crop(pixels, [work.crop_size, work.crop_size, 3])
        return tf.image.random_flip_left_right(crop), index % NUM_CLASSES

    order = tf.data.Dataset.range(len(images)).shuffle(len(images)).repeat()
    batches = order.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(work.batch_size)
    with libraries.keras_policy(precision):
        model = build("alexnet", work.crop_size, NUM_CLASSES, dropout_prob=0.5)
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(batches.prefetch(tf.data.AUTOTUNE), steps_per_epoch=work.updates, shuffle=False, verbose=0)


CONTESTANTS: dict[str, Callable[[Path, Work, str], None]] = {
    PROJECT: train_project,
    "torch": train_torch,
    "keras": train_keras,
}


def peak_of(name: str, path: Path, work: Work, precision: str) -> dict[str, Any]:
    """The largest memory of a contestant while it trains; to be called in a fresh process."""
    with PeakMemory(read=family_bytes, interval=INTERVAL) as memory:
        CONTESTANTS[name](path, work, precision)
    return {"contestant": name, "precision": precision, "peak_bytes": memory.peak}


def measure_peers(
    folder: Path, work: Work, measured: Sequence[str], call: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """The peak of every contestant in each precision, those that could not take part with the reason.

    :param measured: the precisions.
    :param call: how `peak_of` is called: `watch.in_fresh_process`, or here.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name) / "images.npy"
        write_blank(path, work.num_images, work.image_size)
        return [
            _row(contestant, precision, lambda *case: call(peak_of, *case), path, work)
            for precision in measured
            for contestant in CONTESTANTS
        ]


def _row(
    contestant: str, precision: str, peak: Callable[..., dict[str, Any]], path: Path, work: Work
) -> dict[str, Any]:
    """What `peak_of` says; of a peer that fails, why."""
    print(f"{contestant}, {precision}", flush=True)
    try:
        return peak(contestant, path, work, precision)
    except Exception as error:
        if contestant == PROJECT:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"contestant": contestant, "precision": precision, "left_out": reason}


def print_peers(rows: list[dict[str, Any]], work: Work) -> None:
    """The result for people."""
    table = Table(title=f"AlexNet on {work.num_images:,} images, batch {work.batch_size}: peak memory")
    for column in ("contestant", "precision", "MB"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    for row in rows:
        table.add_row(row["contestant"], row["precision"], peak_text(row))
    Console().print(table)


def peak_text(row: dict[str, Any]) -> str:
    """Megabytes, or why there are none."""
    return f"{row['peak_bytes'] / 1e6:,.0f}" if "peak_bytes" in row else str(row["left_out"])


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("memory_peers", str(__doc__))
    add_precision(parser)
    parser.add_argument("--images", type=int, default=25000, help="to choose from (default: 25000)")
    parser.add_argument("--folder", type=Path, help="where their file is made (default: temporary)")
    arguments = parse_measurement(parser)
    require_counts(parser, arguments, "images")
    return arguments


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    require_linux()
    figures = conditions(arguments)
    work, measured = Work(arguments.images, threads=arguments.threads), precisions(arguments)
    if arguments.quick:
        work, measured = QUICK, measured[-1:]
    with working_folder(arguments.folder) as folder:
        call = in_this_process if arguments.quick else in_fresh_process
        rows = measure_peers(folder, work, measured, call)
    print_peers(rows, work)
    keep(arguments, figures | {"work": work._asdict(), "peaks": rows})


if __name__ == "__main__":
    run_script(main)
