"""Whether an epoch can be scored at all: known from the labels, before anything is trained."""

import logging
from collections.abc import Sequence

import numpy as np

from datasets.dataset import DataSet
from learning.evaluators import Evaluator, class_indices

LIKELY = 0.01  # chance of a minibatch without a score that is told of

logger = logging.getLogger(__name__)


def check_scores(
    evaluator: Evaluator,
    train_set: DataSet,
    val_set: DataSet | None,
    class_names: Sequence[str],
    batch_size: int,
) -> None:
    """See that the validation set can be scored or, where there is none, the last minibatch of an epoch.

    A warning tells of minibatches that are likely to have no score.

    :param class_names: of all K classes.
    :raises ValueError: no epoch could ever have a score; what is missing, and what to do.
    """
    part, dataset = ("training", train_set) if val_set is None else ("validation", val_set)
    if dataset.labels is None or not len(dataset.labels):
        raise ValueError(f"the {part} set has no labelled images to be scored by; give them to DataSet")
    try:
        evaluator.check_labels(dataset.labels, class_names)
    except ValueError as error:
        raise ValueError(f"the {part} set cannot be scored: {error}") from error
    if val_set is None and evaluator.needs_every_class:
        _check_minibatch(evaluator, class_indices(dataset.labels, len(class_names)), batch_size)


def _check_minibatch(evaluator: Evaluator, labels: np.ndarray, batch_size: int) -> None:
    """Of labels (N,) in which every class occurs."""
    counts = np.bincount(labels)  # (K,)
    advice = (
        f"hold out a validation set, or choose a larger batch_size or another evaluator than {evaluator.name}"
    )
    if batch_size < len(counts):
        raise ValueError(
            f"without a validation set the last minibatch of an epoch is scored, and {batch_size} images cannot "
            f"be of all {len(counts)} classes; {advice}"
        )
    chance = float(np.sum((1 - counts / counts.sum()) ** batch_size))  # of one that lacks a class, at most
    if chance > LIKELY:
        logger.warning(
            "without a validation set the last minibatch of an epoch is scored; %d images often lack a class, and "
            "then have no score; %s",
            batch_size,
            advice,
        )
