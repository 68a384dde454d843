"""learning/reports/scores.py: what the results of a test say beyond the scores."""

import numpy as np

from learning.confusion import neglected_classes
from learning.reports.scores import balance_hint, neglect_hint, score_lines

NAMES = ["ant", "bee", "cat"]
IMBALANCED = [[195, 5, 0], [8, 72, 0], [15, 4, 1]]


def results(matrix, names=NAMES):
    scores = [{"crops": 1, "accuracy": 0.87, "seconds": 0.1}]
    base = {"num_images": int(np.sum(matrix)), "split": "test", "epoch": 3, "scores": scores}
    return {**base, "class_names": names, "confusion_matrix": matrix}


def test_imbalanced_images_are_judged_by_the_balanced_accuracy_too():
    hint = balance_hint(results(IMBALANCED))
    assert hint == (
        "the tested images are imbalanced (200 ant, 80 bee, 20 cat): balanced accuracy 0.6417"  # the mean of
    )  # 0.975, 0.9 and 0.05
    assert balance_hint(results([[195, 5, 0], [8, 72, 0], [15, 4, 2]])) is None  # 200 to 21
    assert balance_hint(results([[195, 5, 0], [8, 72, 0], [0, 0, 0]])) is None


def test_classes_that_are_hardly_recognised_are_named():
    assert neglected_classes(np.array(IMBALANCED), NAMES) == [("cat", 1, 20)]
    assert neglect_hint(results(IMBALANCED)) == (
        "some classes are rarely recognised: 1 of 20 of 'cat'; add images, or weight small classes with "
        "--train.class_weights balanced"
    )
    assert neglect_hint(results([[9, 1, 0], [2, 8, 0], [2, 2, 0]])) is None  # 0 of 4 may be chance
    assert neglect_hint(results([[9, 1, 0], [2, 8, 0], [3, 3, 4]])) is None  # 0.4 of 0.7


def test_only_the_lowest_of_many_are_named():
    matrix = np.diag([90] * 10 + [5, 4, 3, 2, 1])
    matrix[:, 0] += [0] * 10 + [5, 6, 7, 8, 9]
    hint = neglect_hint(results(matrix.tolist(), [f"c{k}" for k in range(15)]))
    assert "1 of 10 of 'c14', 2 of 10 of 'c13', 3 of 10 of 'c12', and 1 more; add" in hint


def test_the_hints_follow_the_scores():
    lines = score_lines(results(IMBALANCED))
    assert lines[0] == "300 test images, weights of epoch 3"
    assert [line.split()[0] for line in lines[2:]] == ["the", "some"]
