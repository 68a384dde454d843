"""Read a confusion matrix, as numbers and as text; `learning.reports.plots` draws it."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len

from datasets.errors import escape_name

MAX_TABLE_CLASSES = 20  # for more, a summary is shown instead of the whole matrix
NUM_SHOWN = 10  # classes and confusions in the summary


def checked_counts(matrix: np.ndarray, class_names: Sequence[str] | None = None) -> np.ndarray:
    """Return the matrix as int64 (K, K).

    :raises ValueError: it is not a matrix of counts, or the number of names differs.
    """
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
    """Return the share of each class's examples that were recognised, in [0, 1]; None for a class without examples.

    :param matrix: (K, K) integers, 0 or more; row = true class, column = predicted class.
    :raises ValueError: another shape, negative or fractional counts.
    """
    counts = checked_counts(matrix)
    totals = counts.sum(axis=1)
    return [int(counts[k, k]) / int(total) if total else None for k, total in enumerate(totals)]


def confusion_table(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the matrix as text: a row for each true class, a column for each predicted one, and recall.

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
    """Return at most `count` classes, those with the lowest recall first: name, examples, recall.

    Classes without examples, which have no recall, come last.
    """
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


def confusion_summary(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """Return what stands out of a confusion matrix, as text: the lowest recall, the most frequent confusions.

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
    """Return the whole matrix as CSV: a row for each true class, a column for each predicted one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *class_names])
    for name, row in zip(class_names, checked_counts(matrix, class_names).tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return a line of equal width for each row: the first column to the left, the others to the right.

    Korean, Chinese and Japanese letters take two columns of a terminal.
    """
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        first, *others = (
            (cell, " " * (width - cell_len(cell))) for cell, width in zip(row, widths, strict=True)
        )
        lines.append("  ".join(["".join(first), *(space + cell for cell, space in others)]))
    return lines
