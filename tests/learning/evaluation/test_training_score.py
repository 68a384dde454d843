"""learning/evaluation/training_score.py: training images are scored as held-out ones are."""

import json

import numpy as np
import pytest

from learning.evaluation.training_score import score_training, write_training_score
from tests.support.by_brightness import brightness_set

CLASSES = np.array([0, 0, 0, 2, 2, 3] * 2)


@pytest.fixture
def train_set():
    """Dark and bright images, of which those of class 3 are dark; the fourth and the tenth are dark by mistake."""
    levels = np.where(CLASSES == 2, 250, 5)
    levels[[3, 9]] = 5
    return brightness_set(levels, CLASSES)


def test_counts_by_class(net, train_set):
    found = score_training(*net, train_set, evaluator="accuracy", batch_size=5, at_most=100)
    assert found == {"num_images": [6, 0, 4, 2], "num_right": [6, 0, 2, 0], "score": pytest.approx(8 / 12)}
    assert train_set.cursor == {"epochs_completed": 0, "index_in_epoch": 0}


def test_some_images_stand_for_the_whole_set(net, train_set):
    found = score_training(*net, train_set, evaluator="accuracy", batch_size=5, at_most=4)
    expected = np.bincount(CLASSES[[0, 3, 7, 11]], minlength=4)
    assert found["num_images"] == expected.tolist()


def test_a_score_that_is_not_a_number(net, train_set):
    dark = train_set.subset([0, 1, 2])
    found = score_training(*net, dark, evaluator="roc_auc", batch_size=5, at_most=100)
    assert found["score"] is None


def test_the_file(tmp_path):
    write_training_score(
        {"epoch": 3, "num_images": [2], "num_right": [1], "score": None}, tmp_path / "a.json"
    )
    assert json.loads((tmp_path / "a.json").read_text())["epoch"] == 3
