"""A whole epoch of training against its bare updates, images/s: what the loop around them costs.

    python -m benchmarks.speed.epoch [--rounds 3] [--seconds 60] [--output FILE]

The project trains one epoch from its start to its end as train.py does, but for the validation: initial values,
batches cut ahead from a memory map, updates, history, checkpoint, learning curves. The bare step makes the same
updates from one batch that lies in memory, again and again. AlexNet learns from 10,000 images of 256x256 as its
recipe for Asirra has it, ResNet-20 with the paper's widths from 45,000 images of 32x32; all images are made. Both
compute in bfloat16, where updates are fastest and all else weighs most, or in float32 where the processor emulates
that. The goal: an epoch at 97% of the bare step's rate or more.
"""

import tempfile
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    PAPER_WIDTHS,
    add_precision,
    conditions,
    keep,
    measure_as_asked,
    measurement_parser,
    parse_measurement,
    precisions,
)
from benchmarks.harness.figures import print_table, summary
from benchmarks.harness.made import open_splits, write_noise
from benchmarks.harness.sides import PROJECT, Contestant, Step
from learning.terminal.command import run_script

GOAL = 0.97
BARE = "bare step"
WARM_STEPS = 3
PATIENCE = 3600.0  # seconds for an epoch, at 10 images/s of AlexNet nearly 20 minutes


class Case(NamedTuple):
    """A recipe and the images that stand for its own.

    :param options: of train.py, which win over the recipe's.
    """

    recipe: str
    num_images: int
    image_size: int
    crop_size: int
    num_classes: int
    batch_size: int
    options: tuple[str, ...] = ()


CASES = (
    Case("alexnet-asirra", 10_000, 256, 227, 2, 128),
    Case("resnet20-cifar10-fast", 45_000, 32, 32, 10, 128, PAPER_WIDTHS),
)
SMALL = ("--model.options.stages", "[1]", "--model.options.widths", "[4]")
QUICK_CASES = (Case("resnet20-cifar10-fast", 16, 16, 16, 10, 8, SMALL),)


def build_training(case: Case, precision: str, path: Path, threads: int) -> tuple[Any, Any]:
    """The optimizer of the recipe, of one epoch on the images at `path`, and a session."""
    from learning import fit
    from learning.config.command_line import parse_train
    from learning.machine.session import open_session

    options = {
        "--data.image_size": case.image_size,
        "--data.crop_size": case.crop_size,
        "--model.precision": precision,
        "--train.batch_size": case.batch_size,
        "--train.num_epochs": 1,
        "--train.threads": threads,
    }
    pairs = [str(word) for pair in options.items() for word in pair]
    config = parse_train(["--config", case.recipe, *pairs, *case.options]).config
    splits = open_splits(path, case.num_classes, case.crop_size, padding=config.data.padding)
    optimizer = fit.build_training(config, splits)
    return optimizer, open_session(optimizer.model, threads)


def fixed_update(case: Case, optimizer: Any, sess: Any) -> Step:
    """One update with a batch that never changes; the first ones, which choose the kernels, are made here."""
    batches = repeat(optimizer.train_set.next_batch(case.batch_size))
    step = libraries.project_update(optimizer, sess, batches, optimizer.curr_learning_rate)
    for _ in range(WARM_STEPS):
        step()
    return step


def bare_step(case: Case, precision: str, path: Path, threads: int) -> Step:
    """The update alone."""
    return fixed_update(case, *build_training(case, precision, path, threads))


def whole_epoch(case: Case, precision: str, path: Path, threads: int) -> Step:
    """One epoch by `Optimizer.train`."""
    optimizer, sess = build_training(case, precision, path, threads)
    fixed_update(case, optimizer, sess)

    def step() -> int:
        with tempfile.TemporaryDirectory(dir=path.parent) as run:
            optimizer.train(sess, run, verbose=False)
        return case.num_images // case.batch_size * case.batch_size

    return step


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    parser = measurement_parser("epoch", str(__doc__), rounds=3, seconds=60.0)
    add_precision(parser)
    arguments = parse_measurement(parser)
    precision = precisions(arguments)[-1]
    figures = {**conditions(arguments), "goal": GOAL, "recipes": {}}
    for case in QUICK_CASES if arguments.quick else CASES:
        title = f"an epoch of {case.recipe}, {case.num_images:,} images, {precision}"
        print(title, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "images.npy"
            write_noise(path, case.num_images, case.image_size, seed=0)
            given = (case, precision, path, arguments.threads)
            contestants = {PROJECT: Contestant(whole_epoch, given), BARE: Contestant(bare_step, given)}
            rates, failures = measure_as_asked(contestants, arguments, warm_steps=0, patience=PATIENCE)
        found = summary(rates, failures)
        print_table(title, found)
        print(f"goal: {GOAL} of the bare step, {'met' if found['ratio']['median'] >= GOAL else 'missed'}")
        figures["recipes"][case.recipe] = {
            "num_images": case.num_images,
            "precision": precision,
            "train_options": case.options,
            **found,
        }
        keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
