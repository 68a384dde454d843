"""Confidence intervals of shares, by which the findings compare them."""

from typing import NamedTuple

LEVEL = 0.95  # of the confidence intervals
MIN_GAP = 0.03  # a smaller difference of accuracies is not worth a sentence


class Interval(NamedTuple):
    """A share with its confidence interval."""

    right: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Return the share, in [0, 1]."""
        return self.right / self.total

    def __str__(self) -> str:
        return f"{self.share:.4f} ({LEVEL:.0%} interval {self.low:.4f} to {self.high:.4f})"


def interval(right: int, total: int, level: float = LEVEL) -> Interval:
    """Return the Wilson score interval of a share (Wilson 1927).

    :param total: at least 1.
    """
    from scipy.stats import binomtest  # takes a second to import

    found = binomtest(right, total).proportion_ci(confidence_level=level, method="wilson")
    return Interval(right, total, float(found.low), float(found.high))
