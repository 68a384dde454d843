"""What a confusion matrix says, as numbers and as text; its picture is drawn by learning/reports/plots.py."""

import csv
import io
import unicodedata
from collections.abc import Sequence

import numpy as np

from datasets.errors import escape_name

MAX_TABLE_CLASSES = 20  # of more, the whole matrix is no reading for people
NUM_SHOWN = 10  # classes and confusions that stand for it then


def checked_counts(matrix: np.ndarray, class_names: Sequence[str] | None = None) -> np.ndarray:
    """The matrix as int64 (K, K); ValueError says what does not fit."""
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
    """The share of each class's examples that were recognised, in [0, 1]; None for a class without examples.

    :param matrix: (K, K) integers, 0 or more; row = true class, column = predicted class.
    :raises ValueError: another shape, negative or fractional counts.
    """
    counts = checked_counts(matrix)
    totals = counts.sum(axis=1)
    return [int(counts[k, k]) / int(total) if total else None for k, total in enumerate(totals)]


def confusion_table(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """The confusion matrix as text: a row for each true class, a column for each predicted one, and recall.

    :param matrix: (K, K) integers, 0 or more; row = true class, column = predicted class.
    :param class_names: K names in the order of the rows.
    :return: lines of equal width, without a line break at the end.
    :raises ValueError: another shape, negative or fractional counts, or a different number of names.
    """
    counts = checked_counts(matrix, class_names)
    names = [escape_name(name) for name in class_names]
    cells = [["true \\ predicted", *names, "recall"]]
    for name, row, recall in zip(names, counts, per_class_recall(matrix), strict=True):
        cells.append([name, *map(str, row), "-" if recall is None else f"{recall:.2%}"])
    return "\n".join(_aligned(cells))


def worst_classes(
    matrix: np.ndarray, class_names: Sequence[str], count: int
) -> list[tuple[str, int, float | None]]:
    """At most `count` classes, those with the lowest recall first: name, examples, recall.

    Classes without examples, which have no recall, come last.
    """
    totals = checked_counts(matrix, class_names).sum(axis=1).tolist()
    rows = list(zip(class_names, totals, per_class_recall(matrix), strict=True))
    return sorted(rows, key=lambda row: (row[2] is None, row[2], -row[1]))[:count]


def top_confusions(
    matrix: np.ndarray, class_names: Sequence[str], count: int
) -> list[tuple[str, str, int, float]]:
    """At most `count` confusions, the most frequent first.

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


def confusion_summary(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """What stands out of a confusion matrix, as text: the lowest recall and the most frequent confusions.

    :param matrix: (K, K) integers, 0 or more; row = true class, column = predicted class.
    :param class_names: K names in the order of the rows.
    :return: lines without a line break at the end.
    """
    worst = [
        [escape_name(name), str(total), f"{recall:.2%}"]
        for name, total, recall in worst_classes(matrix, class_names, NUM_SHOWN)
        if recall is not None
    ]
    confused = [
        [f"{escape_name(true)} -> {escape_name(predicted)}", str(number), f"{share:.2%}"]
        for true, predicted, number, share in top_confusions(matrix, class_names, NUM_SHOWN)
    ]
    lines = [f"the lowest recall of {len(class_names)} classes"]
    lines += _aligned([["true", "images", "recall"], *worst])
    lines += [
        "the most frequent confusions",
        *_aligned([["true -> predicted", "images", "share"], *confused]),
    ]
    return "\n".join(lines)


def confusion_csv(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """The whole matrix as CSV: a row for each true class, a column for each predicted one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *class_names])
    for name, row in zip(class_names, checked_counts(matrix, class_names).tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """A line of equal width for each row: the first column to the left, the others to the right."""
    widths = [max(map(terminal_width, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - terminal_width(cell))
            if place == 0
            else " " * (width - terminal_width(cell)) + cell
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def terminal_width(text: str) -> int:
    """Columns of a terminal that the text takes: Korean, Chinese and Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
