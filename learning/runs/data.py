"""Load the images of a run as configured, compare them with it, and describe them; without TensorFlow."""

import dataclasses
import logging
from typing import Any

from datasets.dataset import DataSet
from datasets.errors import DataError, shortened
from datasets.image_files.folder_names import normal_form
from datasets.images.hidden_warnings import without_warnings
from datasets.load import LabelledSet, check_exists, check_place, labelled_set, load_splits
from datasets.splits import Splits
from datasets.storage.paths import expanded
from learning.class_balance import class_counts
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError, UsageError
from learning.evaluators import EVALUATORS
from learning.runs.directory import RunDirectory
from learning.runs.score_checks import check_scores
from learning.runs.seen_images import count_seen, count_shared
from learning.schedules import build_schedule

logger = logging.getLogger(__name__)


def open_data(config: RunConfig, run: RunDirectory | None = None) -> Splits:
    """Load and split the configured data.

    :param run: an existing run that was started with the same data.
    :raises OptionError: the data set does not have an option.
    :raises CheckpointError: the data differ from those of `run`, or are no longer where they were.
    """
    check_images(config, run)
    data = config.data
    splits = load_splits(data.name, config.data_dir, data, seed=config.train.seed, download=data.download)
    if run is not None:
        check_same_data(run, splits)
    return splits


def check_images(config: RunConfig, run: RunDirectory | None = None, other: str | None = None) -> None:
    """Raise what `open_data` raises if there is nothing at the path of the images. This is quick.

    :param other: the path of other images, which take the place of the configured ones.
    """
    if other is not None:
        check_exists(other)
        return
    data = config.data
    is_there = config.data_dir is None or data.download or expanded(config.data_dir).exists()
    if run is not None and not is_there:
        raise CheckpointError(
            f"the images of {run.path} are no longer at {config.data_dir}; say where they are now with train.py "
            f"--resume {run.path} --data-dir DIR, or test on other images with test.py --data-dir"
        )
    check_place(data.name, config.data_dir, download=data.download)
    if config.data_dir is not None and not data.download:
        check_exists(config.data_dir)


def check_same_data(run: RunDirectory, splits: Splits) -> None:
    """Raise CheckpointError unless the run was started with these data."""
    if splits.class_names != tuple(map(normal_form, run.class_names)):
        raise CheckpointError(
            f"{run.path} was trained on the classes {shortened(run.class_names)}, the data now have "
            f"{shortened(splits.class_names)}; continue with the run's own data"
        )
    if splits.fingerprint != run.info.get("data_fingerprint"):
        raise CheckpointError(
            f"the images differ from those that {run.path} was started with: files were added, removed, renamed or "
            "edited, or an earlier version of this project decoded them differently; restore the same data, test "
            "on other images with test.py --data-dir, or start a new run"
        )


def check_fits(config: RunConfig, splits: Splits) -> None:
    """Raise UsageError if options and data do not fit together, before anything is trained."""
    num_examples, batch_size = splits.train.num_examples, config.train.batch_size
    if batch_size > num_examples:
        raise UsageError(
            f"train.batch_size is {batch_size}, more than the {num_examples} training images; "
            f"choose {num_examples} or less"
        )
    try:
        total_steps = config.train.num_epochs * (num_examples // batch_size)
        build_schedule(config.schedule, config.optimizer, total_steps, batch_size)
        evaluator = EVALUATORS[config.train.evaluator]()
        check_scores(evaluator, splits.train, splits.val, splits.class_names, batch_size)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    if (config.train.profile or 0) > total_steps:
        raise UsageError(
            f"train.profile is {config.train.profile}; choose 1 to {total_steps}, the last update"
        )


def held_out(splits: Splits) -> tuple[DataSet, str]:
    """Return the set that a finished run is tested on, and its name."""
    if splits.test is not None:
        return splits.test, "test"
    return (splits.train, "training") if splits.val is None else (splits.val, "validation")


def run_info(splits: Splits, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return what a run directory records about the data."""
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {
        "class_names": list(splits.class_names),
        "input_shape": list(input_shape),
        "num_images": {name: part.num_examples for name, part in parts.items() if part is not None},
        "class_counts": {
            name: class_counts(part, len(splits.class_names)).tolist()
            for name, part in parts.items()
            if part is not None
        },
        "bad_files": [list(pair) for pair in splits.bad_files],
        "data_fingerprint": splits.fingerprint,
    }


def facts(splits: Splits) -> dict[str, Any]:
    """Return what tells these data from others, in plain values."""
    info = run_info(splits, splits.train.crop_shape)
    return {name: info[name] for name in ("class_names", "input_shape", "num_images", "data_fingerprint")}


def open_labelled(run: RunDirectory, data_dir: str) -> LabelledSet:
    """Load labelled images as a test set for a run, see `labelled_set`; warn of images that it was trained on."""
    data = run.config.data
    labelled = labelled_set(data_dir, run.class_names, data, name=data.name)
    num_seen = count_seen(run, labelled.digests)
    if num_seen is None and not labelled.is_test_part:
        num_seen = _count_in_own_data(run, data_dir, labelled)
    if num_seen:
        logger.warning(
            "%d of %d images tested here are also in the training set of the run, so the scores are too "
            "optimistic; run test.py without --data-dir for the held-out images",
            num_seen,
            labelled.dataset.num_examples,
        )
    return labelled


def _count_in_own_data(run: RunDirectory, data_dir: str, labelled: LabelledSet) -> int:
    """Count the images that a run without digests was trained on, if `labelled` are its own data."""
    if labelled.dataset.num_examples < sum(run.num_images.values()):
        return 0
    data = dataclasses.replace(run.config.data, download=False)  # counting must not put files there
    path = str(expanded(data_dir).resolve())
    try:
        with without_warnings():  # about the split, which a test does not use
            splits = open_data(dataclasses.replace(run.config, data_dir=path, data=data))
    except DataError:  # they cannot be loaded as for that run
        return 0
    if splits.fingerprint != run.info.get("data_fingerprint") or "train" not in splits.digests:
        return 0
    return count_shared(labelled.digests, splits.digests["train"])
