"""Find the classes that are clearly recognised less often than the others."""

from typing import NamedTuple

import numpy as np

from datasets.errors import escape_name
from learning.findings.intervals import LEVEL, MIN_GAP, Interval, interval
from learning.runs.files import Tested

MIN_CLASS_IMAGES = 10  # on average, without which classes are not compared
MOST_NAMED = 3


class WeakClass(NamedTuple):
    """A class that is clearly recognised less often than the others."""

    number: int
    name: str
    recall: Interval
    taken_for: str
    times: int


def weak_classes(tested: Tested) -> list[WeakClass]:
    """Return the classes whose recall is below that of all other classes together, lowest first.

    Their intervals do not overlap. Since many classes are compared, the intervals are wider (Bonferroni), so that a
    false alarm is no more likely than in a single comparison.
    """
    matrix, names = tested.matrix, tested.class_names
    totals, right = matrix.sum(axis=1), matrix.diagonal()
    level = 1 - (1 - LEVEL) / len(names)
    found = []
    for k in np.flatnonzero(totals):
        rest = int(totals.sum() - totals[k])
        shares = right[k] / totals[k], (right.sum() - right[k]) / max(1, rest)
        if not rest or shares[1] - shares[0] < MIN_GAP:  # which spares most of the intervals of many classes
            continue
        recall = interval(int(right[k]), int(totals[k]), level)
        if recall.high < interval(int(right.sum() - right[k]), rest, level).low:
            wrong = np.where(np.arange(len(names)) == k, 0, matrix[k])
            other = int(wrong.argmax())
            shown = interval(int(right[k]), int(totals[k]))
            found.append(WeakClass(int(k), names[k], shown, names[other], int(wrong[other])))
    return sorted(found, key=lambda weak: weak.recall.share)


def weakest(tested: Tested) -> str | None:
    """Return which classes are the weakest, or why none is named."""
    counts = tested.matrix.sum(axis=1)
    counts = counts[counts > 0]
    if tested.num_right == tested.num_images:
        return "All of them are recognised."
    if weak := weak_classes(tested):
        named = [
            f"{quoted(found.name)}, {found.recall.right} of {found.recall.total} recognised (recall "
            f"{found.recall}), most often mistaken for {quoted(found.taken_for)} ({found.times})"
            for found in weak[:MOST_NAMED]
        ]
        more = f"; and {len(weak) - MOST_NAMED} more" if len(weak) > MOST_NAMED else ""
        return f"Weakest {'class' if len(weak) == 1 else 'classes'}: {'; '.join(named)}{more}."
    if counts.mean() < MIN_CLASS_IMAGES:
        return (
            f"With {counts.mean():.0f} images per class on average, weak classes cannot be told from chance."
        )
    return "No class is clearly recognised less often than the others."


def quoted(name: str) -> str:
    """Return the name of a class in quotation marks, with control characters escaped."""
    return f"'{escape_name(name)}'"
