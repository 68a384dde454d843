"""learning/findings/intervals.py: intervals by the formula."""

import math

import pytest

from learning.findings import intervals


def test_wilson_by_its_formula():
    right, total, z = 17, 20, 1.959963984540054
    share, room = right / total, z * z / total
    middle = (share + room / 2) / (1 + room)
    side = z * math.sqrt(share * (1 - share) / total + room / (4 * total)) / (1 + room)
    found = intervals.interval(right, total)
    assert (found.low, found.high) == pytest.approx((middle - side, middle + side))
    assert intervals.interval(20, 20).high == 1.0  # and not beyond
