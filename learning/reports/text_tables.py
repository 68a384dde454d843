"""Show tables as text: a confusion matrix, or a summary of a large one."""

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len

from datasets.errors import escape_name
from learning.confusion import checked_counts, per_class_recall, top_confusions, worst_classes

NUM_SHOWN = 10  # classes and confusions in the summary


def confusion_table(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the matrix and the recall of each class as text: lines of equal width."""
    counts = checked_counts(matrix, class_names)
    names = [escape_name(name) for name in class_names]
    cells = [["true \\ predicted", *names, "recall"]]
    for name, row, recall in zip(names, counts, per_class_recall(matrix), strict=True):
        cells.append([name, *map(str, row), "-" if recall is None else f"{recall:.2%}"])
    return "\n".join(aligned(cells))


def confusion_summary(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the lowest recalls and the most frequent confusions as text."""
    worst = [
        [escape_name(name), str(total), f"{recall:.2%}"]
        for name, total, recall in worst_classes(matrix, class_names, NUM_SHOWN)
        if recall is not None
    ]
    confused = [
        [f"{escape_name(true)} -> {escape_name(predicted)}", str(number), f"{share:.2%}"]
        for true, predicted, number, share in top_confusions(matrix, class_names, NUM_SHOWN)
    ]
    return "\n".join(
        [
            f"the lowest recall of {len(class_names)} classes",
            *aligned([["true", "images", "recall"], *worst]),
            "the most frequent confusions",
            *aligned([["true -> predicted", "images", "share"], *confused]),
        ]
    )


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return a line of equal width for each row: the first column to the left, the others to the right.

    Korean, Chinese and Japanese letters take two columns of a terminal.
    """
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        others = (space + cell for cell, space in zip(row[1:], spaces[1:], strict=True))
        lines.append("  ".join([row[0] + spaces[0], *others]))
    return lines
