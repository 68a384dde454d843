"""Check that epochs can be scored: by the labels before training, and by each epoch's score."""

import logging
import math
from collections.abc import Sequence

import numpy as np

from datasets.dataset import DataSet
from learning.callbacks import Callback, Training
from learning.evaluators import Evaluator, class_indices

LIKELY = 0.01  # chance of a minibatch without a score that is worth a warning

logger = logging.getLogger(__name__)


def check_scores(
    evaluator: Evaluator,
    train_set: DataSet,
    val_set: DataSet | None,
    class_names: Sequence[str],
    batch_size: int,
) -> None:
    """Check that the validation set or, without one, the last minibatch of an epoch can be scored.

    Warn if minibatches are likely to have no score.

    :param class_names: of all K classes.
    :raises ValueError: no epoch could ever have a score.
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
    """Check the minibatches of a training set, given its labels (N,), in which every class occurs."""
    counts = np.bincount(labels)  # (K,)
    other = f"a larger batch_size or another evaluator than {evaluator.name}"
    advice = f"hold out a validation set, or choose {other}"
    if batch_size < len(counts):
        raise ValueError(
            f"without a validation set the last minibatch of an epoch is scored, and {batch_size} images cannot "
            f"cover all {len(counts)} classes; {advice}"
        )
    chance = float(np.sum((1 - counts / counts.sum()) ** batch_size))  # at most, that a class is missing
    if chance > LIKELY:
        logger.warning(
            "without a validation set the last minibatch of an epoch is scored; %d images often lack a class, and "
            "then have no score; %s",
            batch_size, advice,
        )  # fmt: skip


class NanWarning(Callback):
    """Warns once if an epoch's score is NaN, which not every evaluator can foresee from the labels."""

    def __init__(self) -> None:
        self._warned = False

    def on_epoch(self, training: Training) -> None:
        if math.isnan(training.score) and not self._warned:
            self._warned = True
            logger.warning(
                "the score of epoch %d is NaN: the evaluator has none for these labels and predictions; such an "
                "epoch is never the best; use another evaluator, or add images of the classes that are missing",
                training.epoch,
            )
