"""Count the images of each class, weight classes that differ in size, and name imbalanced sets.

There are two ways to weight classes equally. Class weights keep every image of an epoch and change the loss
alone, but an image of a very small class then makes large steps. A balanced order (`Crops.order`) keeps every step
small, but repeats the images of small classes and leaves out some of the large ones in each epoch.
"""

from collections.abc import Sequence

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import escape_name
from learning.config.run_config import RunConfig

IMBALANCED = 10  # times as many images in the largest class as in the smallest
MOST_LISTED = 6  # classes whose counts a message lists


def class_counts(dataset: DataSet, num_classes: int) -> np.ndarray:
    """Return the number of images of each class: int64 (K,)."""
    return np.bincount(dataset.classes, minlength=num_classes)


def balanced_weights(counts: np.ndarray) -> list[float]:
    """Return the weight of each class that gives all classes the same share of the loss.

    scikit-learn's formula: N images / (K classes times the images of this class), so that the mean weight of the
    images is 1. K counts only the classes that have images; the weight of the others, which is not used, is 1.

    :param counts: images of each class, (K,).
    """
    present = np.maximum(counts, 1) * np.count_nonzero(counts)
    return np.where(counts > 0, counts.sum() / present, 1.0).tolist()


def is_imbalanced(counts: np.ndarray) -> bool:
    """Return whether the largest class has IMBALANCED times the images of the smallest one that has any."""
    present = counts[counts > 0]
    return len(present) > 1 and bool(present.max() >= IMBALANCED * present.min())


def listed_counts(counts: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the number of images of the classes that have any, largest first, as text."""
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    texts = [f"{counts[k]} {escape_name(class_names[k])}" for k in order]
    half = MOST_LISTED // 2
    return ", ".join(texts if len(texts) <= MOST_LISTED else [*texts[:half], "...", *texts[-half:]])


def is_balanced(config: RunConfig) -> bool:
    """Return whether training gives every class the same share, by weights or by its order."""
    return config.train.class_weights == "balanced" or config.data.order == "balanced"


def imbalance_advice(config: RunConfig, counts: np.ndarray, class_names: Sequence[str]) -> str | None:
    """Return a line that names an imbalanced training set and what to do; None if nothing is left to do."""
    is_weighted = is_balanced(config)
    is_scored = config.train.evaluator in ("balanced_accuracy", "macro_f1")
    todo = [] if is_weighted else ["train with --train.class_weights balanced or --data.order balanced"]
    todo += [] if is_scored else ["choose the weights with --train.evaluator balanced_accuracy"]
    if not todo or not is_imbalanced(counts):
        return None
    return (
        f"the training images are imbalanced ({listed_counts(counts, class_names)}), so the network may neglect "
        f"small classes; {', and '.join(todo)}"
    )
