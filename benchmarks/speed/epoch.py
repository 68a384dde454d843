"""How much time does the loop around the updates take, and how fast is an epoch compared with PyTorch?

The project trains one epoch as train.py does, but without validation: initial values, batches that are cut ahead
from a memory map, updates, history, checkpoint, learning curves. The bare step makes the same updates from a single
batch in memory. PyTorch makes its updates from batches of random windows. It is measured twice, with the windows
cut between the updates and ahead on a thread, because the number of cores decides which is faster. AlexNet trains
on 10,000 images of 256x256 as in its recipe for Asirra, ResNet-20 with the paper's widths on 45,000 images of
32x32. All images are generated. The precision is bfloat16, in which updates are fastest and everything else matters
most, or float32 where the processor emulates bfloat16.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import project
from benchmarks.harness.benchmark import Benchmark, measure_as_asked, precisions
from benchmarks.harness.comparison import to_library
from benchmarks.harness.made_images import class_numbers, open_splits, write_noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import NETS, Case
from benchmarks.harness.results import Figures, rate, ratio_text, summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from benchmarks.peers.windows import ahead, window_batches

GOAL = 0.97  # of the bare step's rate
BARE = "bare step"
WARM_STEPS = 3
PATIENCE = 3600.0  # seconds for an epoch; AlexNet at 10 images/s needs nearly 20 minutes


class Epoch(NamedTuple):
    """A recipe, and the generated images that replace its own."""

    recipe: str
    case: Case  # for PyTorch
    num_images: int
    image_size: int
    train_options: tuple[str, ...] = ()  # of train.py; they override the recipe's

    def config(self, precision: str) -> Any:
        """Return the recipe's configuration for one epoch on the generated images."""
        options = {
            "--data.image_size": self.image_size,
            "--data.crop_size": self.case.side,
            "--model.precision": precision,
            "--train.batch_size": self.case.batch_size,
            "--train.num_epochs": 1,
            "--train.threads": self.case.threads,
        }
        words = [str(word) for pair in options.items() for word in pair]
        return project.recipe_config(["--config", self.recipe, *words, *self.train_options])


PAPER_WIDTHS = ("--model.options.widths", "[16,32,64]")  # the recipe's last stage is wider
TOY = ("--model.options.stages", "[1]", "--model.options.widths", "[8]")
EPOCHS = (
    Epoch("alexnet-asirra", NETS["alexnet"]._replace(batch_size=128), 10_000, 256),
    Epoch("resnet20-cifar10-fast", NETS["resnet20"]._replace(batch_size=128), 45_000, 32, PAPER_WIDTHS),
)
QUICK_EPOCHS = (Epoch("resnet20-cifar10-fast", NETS["resnet20"].quick()._replace(batch_size=8), 16, 16, TOY),)


def open_training(epoch: Epoch, precision: str, path: Path) -> tuple[Any, Any, Step]:
    """Return the optimizer, a session, and a warmed-up step on a constant batch."""
    config, case = epoch.config(precision), epoch.case
    splits = open_splits(path, case.num_classes, case.side, padding=config.data.padding)
    optimizer, sess = project.open_training(config, splits, case.threads)
    batches = repeat(optimizer.train_set.next_batch(case.batch_size))
    step = project.update_step(optimizer, sess, batches, optimizer.curr_learning_rate)
    for _ in range(WARM_STEPS):  # the first steps choose the kernels
        step()
    return optimizer, sess, step


def bare_step(epoch: Epoch, precision: str, path: Path) -> Step:
    """Return a step that only makes the update."""
    return open_training(epoch, precision, path)[2]


def whole_epoch(epoch: Epoch, precision: str, path: Path) -> Step:
    """Return a step that trains one epoch with `Optimizer.train`."""
    optimizer, sess, _ = open_training(epoch, precision, path)

    def step() -> int:
        with tempfile.TemporaryDirectory() as run:
            optimizer.train(sess, run, verbose=False)
        return epoch.num_images // epoch.case.batch_size * epoch.case.batch_size

    return step


def torch_step(epoch: Epoch, precision: str, path: Path, is_ahead: bool) -> Step:
    """Return a step that cuts a batch and makes an update in PyTorch.

    :param is_ahead: whether the next batch is cut on a thread during the update.
    """
    case, net = epoch.case, epoch.case.torch_net()
    from benchmarks.peers.torch_nets import training_update

    frame = epoch.config(precision).data.padding
    images = np.load(path, mmap_mode="c", allow_pickle=False)  # writable for PyTorch; the file stays as it is
    if frame:
        images = np.pad(images, ((0, 0), (frame, frame), (frame, frame), (0, 0)), constant_values=128)
    classes = class_numbers(len(images), case.num_classes)
    batches = window_batches(images, classes, case.side, case.batch_size)
    batches = ahead(batches) if is_ahead else batches
    update = training_update(net, precision, nesterov=case.rule == "nesterov")

    def step() -> int:
        windows, labels = next(batches)
        update(windows, labels)
        return len(windows)

    for _ in range(WARM_STEPS):
        step()
    return step


def measure_epoch(epoch: Epoch, precision: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a recipe."""
    print(f"an epoch of {epoch.recipe}, {epoch.num_images:,} images, {precision}", flush=True)
    epoch = epoch._replace(case=epoch.case._replace(threads=arguments.threads))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        write_noise(path, epoch.num_images, epoch.image_size, seed=0)
        given = (epoch, precision, path)
        contestants = {
            PROJECT: Contestant(whole_epoch, given),
            BARE: Contestant(bare_step, given),
            "torch": Contestant(torch_step, (*given, False)),
            "torch, batches ahead": Contestant(torch_step, (*given, True)),
        }
        rates, failures = measure_as_asked(contestants, arguments, warm_steps=0, patience=PATIENCE)
    about = {"num_images": epoch.num_images, "precision": precision, "train_options": epoch.train_options}
    return about | summary(rates, failures)


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure recipe by recipe."""
    figures: dict[str, Any] = {"goal": GOAL, "recipes": {}}
    for epoch in QUICK_EPOCHS if arguments.quick else EPOCHS:
        figures["recipes"][epoch.recipe] = measure_epoch(epoch, precisions(arguments)[-1], arguments)
        yield figures


def table(figures: Figures) -> str:
    """Return images/s of each epoch, and its ratios to the bare step and to PyTorch.

    An earlier command wrote epoch-cifar10.json, which compares whole updates of one recipe on its own images with
    PyTorch's and has no bare step.
    """
    recipes = figures.get("recipes") or {f"{figures['recipe']}, on CIFAR-10": figures}
    rows = []
    for recipe, found in recipes.items():
        name = f"{recipe}, float32" if found.get("precision") == "float32" else recipe
        rates = found["rates"]
        bare = ratio_text(rates, BARE)
        goal = f"{GOAL}" if bare else ""
        rows.append([name, rate(found["images_per_second"][PROJECT]), bare, goal, to_library(found, "torch")])
    return markdown(["recipe", "epoch, images/s", "to the bare step", "goal", "to PyTorch"], rows)


main = Benchmark("epoch", __doc__, steps, table, rounds=3, seconds=60.0, has_precision=True)
