"""What a confusion matrix says, as numbers and as text; its picture is drawn by learning/report.py."""

import unicodedata
from collections.abc import Sequence

import numpy as np


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
    names = ["".join(letter if letter.isprintable() else "?" for letter in name) for name in class_names]
    cells = [["true \\ predicted", *names, "recall"]]
    for name, row, recall in zip(names, counts, per_class_recall(matrix), strict=True):
        cells.append([name, *map(str, row), "-" if recall is None else f"{recall:.2%}"])
    widths = [max(map(terminal_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - terminal_width(cell))
            if first
            else " " * (width - terminal_width(cell)) + cell
            for first, cell, width in zip([True] + [False] * len(row), row, widths, strict=False)
        )
        for row in cells
    )


def terminal_width(text: str) -> int:
    """Columns of a terminal that the text takes: Korean, Chinese and Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
