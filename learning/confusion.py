"""Read a confusion matrix; `learning.pictures.plots` draws it, `learning.reports.text_tables` writes it as text.

A matrix has K x K counts: rows are true classes, columns predicted classes; `class_names` are in the same order.
All functions raise ValueError for another shape, negative or fractional counts, or a different number of names.
"""

import csv
import io
from collections.abc import Sequence

import numpy as np

MAX_TABLE_CLASSES = 20  # with more, a table is too large to be read, and a summary is shown
MIN_EXAMPLES = 5  # of a class whose recall is worth a hint


def checked_counts(matrix: np.ndarray, class_names: Sequence[str] | None = None) -> np.ndarray:
    """Return the matrix as int64 (K, K), or raise ValueError."""
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(
            f"the confusion matrix has shape {counts.shape}; give (K, K), rows for the true class"
        )
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise ValueError(
            f"the confusion matrix is {counts.dtype} from {counts.min()}; give counts, integers from 0"
        )
    if class_names is not None and len(class_names) != len(counts):
        raise ValueError(f"{len(class_names)} class names for {len(counts)} classes; give one for each row")
    return counts.astype(np.int64)


def per_class_recall(matrix: np.ndarray) -> list[float | None]:
    """Return the recognised share of each class's examples, in [0, 1]; None for a class without examples."""
    counts = checked_counts(matrix)
    totals = counts.sum(axis=1)
    return [int(counts[k, k]) / int(total) if total else None for k, total in enumerate(totals)]


def balanced_accuracy(matrix: np.ndarray) -> float | None:
    """Return the mean recall of the classes that have examples, in [0, 1]; None if no class has any."""
    recalls = [recall for recall in per_class_recall(matrix) if recall is not None]
    return sum(recalls) / len(recalls) if recalls else None


def neglected_classes(matrix: np.ndarray, class_names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the classes whose recall is below half of the accuracy, lowest first: name, recognised, examples.

    Classes of fewer than MIN_EXAMPLES are left out, since their recall is mostly chance.
    """
    counts = checked_counts(matrix, class_names)
    accuracy = int(np.trace(counts)) / max(1, int(counts.sum()))
    return [
        (name, round(recall * total), total)
        for name, total, recall in worst_classes(counts, class_names, len(counts))
        if total >= MIN_EXAMPLES and recall is not None and recall < accuracy / 2
    ]


def worst_classes(
    matrix: np.ndarray, class_names: Sequence[str], count: int
) -> list[tuple[str, int, float | None]]:
    """Return at most `count` classes by ascending recall, those without examples last: name, examples, recall."""
    totals = checked_counts(matrix, class_names).sum(axis=1).tolist()
    rows = list(zip(class_names, totals, per_class_recall(matrix), strict=True))
    return sorted(rows, key=lambda row: (row[2] is None, row[2], -row[1]))[:count]


def top_confusions(
    matrix: np.ndarray, class_names: Sequence[str], count: int
) -> list[tuple[str, str, int, float]]:
    """Return at most `count` confusions, the most frequent first.

    :return: true class, predicted class, examples, their share of the true class.
    """
    counts = checked_counts(matrix, class_names)
    totals = counts.sum(axis=1)
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    found = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if number := int(wrong[true, predicted]):
            found.append((class_names[true], class_names[predicted], number, number / int(totals[true])))
    return found


def confusion_csv(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the whole matrix as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *class_names])
    for name, row in zip(class_names, checked_counts(matrix, class_names).tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()
