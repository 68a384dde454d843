"""learning/evaluation/label_issues.py: wrong labels stand at the top."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from learning.evaluation.label_issues import suspected_labels
from learning.evaluation.predicted_images import PredictedImages
from learning.reports.scores import label_lines

PREDICTIONS = np.array([[0.9, 0.1, 0], [0.5, 0.4, 0.1], [0.05, 0.05, 0.9], [np.nan] * 3, [0.48, 0.52, 0]])
IMAGES = PredictedImages(["0", "1", "2", "3", "4\n"], np.array([0, 1, 0, 1, 0]), PREDICTIONS, ["a", "b", "c"])


def test_they_are_ranked_by_the_margin():
    issues = suspected_labels(IMAGES)
    assert [issue["file"] for issue in issues] == ["2", "1", "4\n"]  # margins 0.85, 0.1, 0.04
    assert issues[0] == {
        "file": "2",
        "label": "a",
        "suggested": "c",
        "probability": 0.9,
        "label_probability": 0.05,
        "margin": 0.9 - 0.05,
    }
    assert label_lines({"label_issues": issues})[1:] == [
        "  2: labelled a, looks like c (0.9000)",
        "  1: labelled b, looks like a (0.5000)",
        "  4\\n: labelled a, looks like b (0.5200)",
    ]


def test_what_is_recognised_is_not_suspected():
    assert suspected_labels(IMAGES._replace(truth=PREDICTIONS.argmax(axis=1))) == []
    assert label_lines({"label_issues": []}) == ["no label looks wrong"]
    assert label_lines({}) == []  # nobody asked


def test_most_of_the_first_are_wrong_labels():
    digits, labels = load_digits(return_X_y=True)
    digits, labels = digits[:900] / 16, labels[:900].copy()
    rng = np.random.default_rng(0)
    flipped = rng.choice(900, 45, replace=False)
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, 45)) % 10
    neighbors = KNeighborsClassifier(15)
    probabilities = cross_val_predict(neighbors, digits, labels, cv=3, method="predict_proba")
    images = PredictedImages([str(row) for row in range(900)], labels, probabilities, list("0123456789"))
    first = [int(issue["file"]) for issue in suspected_labels(images)[:20]]
    assert np.isin(first, flipped).mean() > 0.8  # 5% of all labels are wrong
