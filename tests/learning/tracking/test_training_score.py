"""learning.tracking.training_score.py: training images are scored as held-out ones are."""

import json

import numpy as np
import pytest
import tensorflow as tf

from datasets.dataset import DataSet
from learning.tracking.training_score import score_training, write_training_score
from models.nn import ConvNet

CLASSES = np.array([0, 0, 0, 1, 1, 2] * 2)


class ByBrightness(ConvNet):
    """Predicts class 0 for dark images, 1 for bright ones, class 2 never."""

    def _build_model(self):
        level = tf.reduce_mean(self.inputs, axis=[1, 2, 3])
        return {"logits": -20 * tf.abs(level[:, tf.newaxis] - [0.0, 1.0, 9.0])}


@pytest.fixture
def net(session):
    with tf.Graph().as_default():
        model = ByBrightness((4, 4, 3), 3)
        sess = session(model)
        sess.run(tf.compat.v1.global_variables_initializer())
    return sess, model


@pytest.fixture
def train_set():
    """Dark and bright images, of which those of class 2 are dark; the fourth and the tenth are dark by mistake."""
    levels = np.where(CLASSES == 1, 250, 5)
    levels[[3, 9]] = 5
    images = np.broadcast_to(levels[:, None, None, None], (12, 6, 6, 3)).astype(np.uint8)
    return DataSet(images, np.eye(3, dtype=np.uint8)[CLASSES], crop_size=4)


def test_counts_by_class(net, train_set):
    found = score_training(*net, train_set, evaluator="accuracy", batch_size=5, at_most=100)
    assert found == {"num_images": [6, 4, 2], "num_right": [6, 2, 0], "score": pytest.approx(8 / 12)}
    assert train_set.cursor == {"epochs_completed": 0, "index_in_epoch": 0}


def test_some_images_stand_for_the_whole_set(net, train_set):
    found = score_training(*net, train_set, evaluator="accuracy", batch_size=5, at_most=4)
    expected = np.bincount(CLASSES[[0, 3, 7, 11]], minlength=3)
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
