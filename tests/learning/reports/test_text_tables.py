"""learning/reports/text_tables.py: a confusion matrix as text."""

import numpy as np

from learning.reports.text_tables import confusion_table


def test_confusion_table():
    table = confusion_table(np.array([[30, 10, 0], [0, 0, 0], [1, 0, 1]]), ["cat", "개", "a\nb"])
    assert table.splitlines() == [
        "true \\ predicted  cat  개  a\\nb  recall",
        "cat                30  10     0  75.00%",
        "개                  0   0     0       -",
        "a\\nb                1   0     1  50.00%",
    ]
