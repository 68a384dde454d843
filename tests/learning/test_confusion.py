"""learning/confusion.py: shares by hand and by scikit-learn, and matrices that are none."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from learning.confusion import balanced_accuracy, per_class_recall
from learning.pictures.plots import draw_confusion_matrix
from learning.reports.text_tables import confusion_table


def test_recall():
    assert per_class_recall(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 6]])) == [0.75, None, 0.75]


def test_balanced_accuracy_is_that_of_scikit_learn():
    matrix = np.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]])
    truth, predicted = (np.repeat(index, matrix.ravel()) for index in np.indices((3, 3)).reshape(2, -1))
    assert balanced_accuracy(matrix) == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert balanced_accuracy(np.zeros((2, 2), np.int64)) is None


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.zeros((2, 3), int), ["a", "b"], r"has shape \(2, 3\); give \(K, K\)"),
        (np.zeros((0, 0), int), [], r"has shape \(0, 0\)"),
        (np.zeros((2, 2)), ["a", "b"], "is float64 from 0.0; give counts"),
        (np.array([[1, -1], [0, 1]]), ["a", "b"], "is int64 from -1; give counts"),
        (np.eye(2, dtype=int), ["a"], "1 class names for 2 classes"),
    ],
)
def test_matrix_that_does_not_fit(tmp_path, matrix, names, message):
    with pytest.raises(ValueError, match=message):
        confusion_table(matrix, names)
    with pytest.raises(ValueError, match=message):
        draw_confusion_matrix(matrix, names, tmp_path / "matrix.png")
