"""How much memory does training on many images take, compared with PyTorch and Keras, and with few images?

AlexNet trains on batches of 128 random windows of 227 pixels. The 25,000 images of 256x256 are in a sparse file.
Each contestant makes a few updates in a fresh process, as its users would: the project with its data set and
prefetching, and again on the first 256 images only; PyTorch with a `DataLoader` that has a worker process for each
thread; Keras with `fit` on tf.data. The figure is the memory of the process and its descendants that no file backs.
Shared pages, such as the batches that PyTorch's workers hand over, count once.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, count, precisions
from benchmarks.harness.made_images import class_numbers, open_splits, write_blank
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import NETS, Case
from benchmarks.harness.peak_memory import PeakMemory, call_fresh
from benchmarks.harness.results import Figures
from benchmarks.harness.turns import PROJECT, failure
from benchmarks.peers import LEARNING_RATE
from benchmarks.peers.windows import Windows
from datasets.prefetch import Prefetcher
from learning.terminal.command import ScriptParser

NUM_CLASSES = 2
FEW = 256  # images of the smaller set


class Work(NamedTuple):
    """The settings, the same for all contestants."""

    num_images: int
    image_size: int = 256
    crop_size: int = 227
    batch_size: int = 128
    updates: int = 30
    threads: int = 0  # of each library, and worker processes of PyTorch's loader; 0 for the defaults

    def case(self) -> Case:
        """Return the network."""
        return NETS["alexnet"]._replace(side=self.crop_size, threads=self.threads)


QUICK = Work(8, image_size=72, crop_size=67, batch_size=2, updates=1)


def train_project(path: Path, work: Work, precision: str, num_images: int | None = None) -> None:
    """Make updates with prefetching, as the training loop does, on all images or on the first `num_images`."""
    net = {"name": "alexnet", "precision": precision, "options": {"dropout_prob": 0.5}}
    config = project.run_config(model=net, train={"batch_size": work.batch_size})
    splits = open_splits(path, NUM_CLASSES, work.crop_size, num_images=num_images)
    optimizer, sess = project.open_training(config, splits, work.threads)
    with sess, Prefetcher(optimizer.train_set, work.batch_size) as batches:
        step = project.update_step(optimizer, sess, batches, LEARNING_RATE)
        for _ in range(work.updates):
            step()


def train_torch(path: Path, work: Work, precision: str) -> None:
    """Train with the loop in PyTorch's documentation."""
    torch, net = libraries.torch(work.threads), work.case().torch_net()
    from benchmarks.peers.torch_nets import training_update

    update = training_update(net, precision)
    images = np.load(path, mmap_mode="c", allow_pickle=False)  # the file backs pages that are only read
    dataset = Windows(images, class_numbers(len(images), NUM_CLASSES), work.crop_size)
    sampler = torch.utils.data.RandomSampler(
        dataset, num_samples=work.updates * work.batch_size, replacement=True
    )
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=work.batch_size,
        sampler=sampler,
        num_workers=work.threads,
        # Forked, as in a user's script on Linux; with this process's own method, each would copy all images.
        multiprocessing_context="fork" if work.threads else None,
    )
    for windows, classes in loader:
        update(windows, classes)


def train_keras(path: Path, work: Work, precision: str) -> None:
    """Train with `fit` on a pipeline that reads single images from the file."""
    tf = libraries.tensorflow(work.threads)
    from benchmarks.peers.keras_nets import compile_training

    images = np.load(path, mmap_mode="r", allow_pickle=False)
    shape = images.shape[1:]

    def read(index: Any) -> Any:
        pixels = tf.ensure_shape(tf.numpy_function(lambda row: images[row], [index], tf.uint8), shape)
        crop = tf.image.random_crop(pixels, [work.crop_size, work.crop_size, 3])
        return tf.image.random_flip_left_right(crop), index % NUM_CLASSES

    order = tf.data.Dataset.range(len(images)).shuffle(len(images)).repeat()
    batches = order.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(work.batch_size)
    model = work.case().keras_net(precision)
    compile_training(model)
    model.fit(batches.prefetch(tf.data.AUTOTUNE), steps_per_epoch=work.updates, shuffle=False, verbose=0)


CONTESTANTS: dict[str, Callable[[Path, Work, str], None]] = {
    PROJECT: train_project,
    f"{PROJECT}, {FEW} images": partial(train_project, num_images=FEW),
    "torch": train_torch,
    "keras": train_keras,
}


def peak_of(name: str, path: Path, work: Work, precision: str) -> dict[str, Any]:
    """Return the peak memory of a contestant while it trains; call this in a fresh process."""
    with PeakMemory() as memory:
        CONTESTANTS[name](path, work, precision)
    return {"contestant": name, "precision": precision, "peak_bytes": memory.peak}


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure each contestant in every precision."""
    work, measured = Work(arguments.images, threads=arguments.threads), precisions(arguments)
    if arguments.quick:
        work, measured = QUICK, measured[-1:]
    peaks: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        write_blank(path, work.num_images, work.image_size)
        for precision in measured:
            for name in CONTESTANTS:
                peaks.append(_row(name, path, work, precision, quick=arguments.quick))
                yield {"work": work._asdict(), "peaks": peaks}


def _row(name: str, path: Path, work: Work, precision: str, *, quick: bool) -> dict[str, Any]:
    """Return the peak of a contestant, or the reason why it was left out."""
    print(f"{name}, {precision}", flush=True)
    try:
        return call_fresh(peak_of, name, path, work, precision, quick=quick)
    except Exception as error:
        return {"contestant": name, "precision": precision, "left_out": failure(name, error)}


def table(figures: Figures) -> str:
    """Return the peak of each contestant.

    Figures with "many" come from an earlier version: a small network trained on few and on many decoded files.
    """
    if "many" in figures:
        rows = [[f"{figures[key]['num_images']:,}", _peak(figures[key])] for key in ("few", "many")]
        rows.append(["difference", f"{figures['difference_bytes'] / 1e6:,.0f}"])
        return markdown(["files of 256x256 pixels", "peak RssAnon, MB"], rows)
    rows = [[row["contestant"], row["precision"], _peak(row)] for row in figures["peaks"]]
    return markdown(["contestant", "precision", "peak, MB"], rows)


def _peak(row: Figures) -> str:
    return f"{row['peak_bytes'] / 1e6:,.0f}" if "peak_bytes" in row else row["left_out"]


def add_options(parser: ScriptParser) -> None:
    """Add --images."""
    parser.add_argument("--images", type=count, default=25_000, help="images to choose from (default: 25000)")


main = Benchmark("memory", __doc__, steps, table, has_precision=True, add_options=add_options)
