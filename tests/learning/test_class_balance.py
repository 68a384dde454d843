"""learning/class_balance.py: what is said and done about classes of different size."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from datasets.dataset import DataSet
from datasets.splits import Splits
from learning.class_balance import (
    balanced_weights,
    class_counts,
    imbalance_advice,
    is_imbalanced,
    listed_counts,
)
from learning.config.run_config import RunConfig
from learning.fit import build_training
from learning.transfer.linear_probe import fit_head
from models.layers import fc_layer, global_average_pool
from models.nn import ConvNet

NAMES = ("ant", "bee", "cat")
LABELS = np.array([0] * 12 + [1] * 5 + [2])


def made_set(labels=LABELS):
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 12, 12, 3), dtype=np.uint8)
    return DataSet(images, np.eye(3, dtype=np.uint8)[labels], class_names=NAMES, crop_size=10)


def test_images_are_counted_by_class_however_labels_are_given():
    assert class_counts(made_set(), 3).tolist() == [12, 5, 1]
    numbers = DataSet(np.zeros((3, 4, 4, 1), np.uint8), [0, 2, 2])
    assert class_counts(numbers, 4).tolist() == [1, 0, 2, 0]


def test_weights_are_those_of_scikit_learn():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(balanced_weights(np.array([12, 5, 1])), expected)
    assert balanced_weights(np.array([3, 1])) == [4 / 6, 4 / 2]


def test_a_class_without_images_does_not_count():
    assert balanced_weights(np.array([3, 0, 1])) == [4 / 6, 1.0, 4 / 2]


@pytest.mark.parametrize(
    ("counts", "expected"), [([100, 10], True), ([99, 10], False), ([100, 0, 50], False), ([5], False)]
)
def test_ten_to_one_is_imbalanced(counts, expected):
    assert is_imbalanced(np.array(counts)) is expected


def test_many_classes_are_listed_by_the_largest_and_the_smallest():
    assert listed_counts(np.array([1, 30, 0]), ("a", "b\n", "c")) == r"30 b\n, 1 a"
    counts = np.arange(1, 9)
    assert listed_counts(counts, "abcdefgh") == "8 h, 7 g, 6 f, ..., 3 c, 2 b, 1 a"


def configured(**values):
    return RunConfig.from_dict(values)


def test_an_imbalanced_set_is_named_with_what_is_left_to_do():
    counts = np.array([1000, 400, 100])
    assert imbalance_advice(configured(), counts, NAMES) == (
        "the training images are imbalanced (1000 ant, 400 bee, 100 cat), so the network may neglect small "
        "classes; train with --train.class_weights balanced or --data.order balanced, and choose the weights with "
        "--train.evaluator balanced_accuracy"
    )
    weighted = configured(train={"class_weights": "balanced"})
    assert imbalance_advice(weighted, counts, NAMES).endswith(
        "small classes; choose the weights with --train.evaluator balanced_accuracy"
    )
    both = configured(data={"order": "balanced"}, train={"evaluator": "balanced_accuracy"})
    assert imbalance_advice(both, counts, NAMES) is None
    assert imbalance_advice(configured(), np.array([1000, 400, 101]), NAMES) is None


def test_a_run_with_balanced_weights_has_them_in_its_network(session):
    config = configured(
        model={"name": "smallnet", "options": {"width": 2}},
        train={"class_weights": "balanced", "batch_size": 4, "num_epochs": 1},
    )
    splits = Splits(made_set(), made_set(), None, NAMES, "")
    model = build_training(config, splits).model
    [weights] = [v for v in model.variables if v.op.name == "loss/class_weights"]
    sess = session(model)
    sess.run(weights.initializer)
    np.testing.assert_allclose(sess.run(weights), [18 / 36, 18 / 15, 18 / 3], rtol=1e-6)
    plain = dataclasses.replace(config, train=dataclasses.replace(config.train, class_weights="none"))
    names = [v.op.name for v in build_training(plain, splits).model.variables]
    assert "loss/class_weights" not in names


class FeatureNet(ConvNet):
    """The mean colour, and a last layer on it."""

    def _build_model(self):
        features = global_average_pool(self.inputs)
        with v1.variable_scope("fc"):
            return {"features": features, "logits": fc_layer(features, self.num_classes)}


@pytest.mark.parametrize(("balanced", "metric"), [(False, "accuracy"), (True, "balanced accuracy")])
def test_a_last_layer_is_fitted_to_classes_of_the_same_weight(session, balanced, metric):
    rng = np.random.default_rng(0)
    labels = np.array([0] * 60 + [1] * 12)
    levels = 120 + 10 * labels[:, None] + rng.normal(0, 12, (72, 3))
    images = np.broadcast_to(levels[:, None, None].astype(np.uint8), (72, 6, 6, 3)).copy()
    with tf.Graph().as_default():
        model = FeatureNet((6, 6, 3), 2)
        sess = session(model)
        sess.run(v1.global_variables_initializer())
    sentence = fit_head(sess, model, DataSet(images, np.eye(2)[labels]), batch_size=16, balanced=balanced)
    assert f"of 72 images, {metric} 0." in sentence
    found = model.predict(sess, images)
    weight = "balanced" if balanced else None
    peers = [
        LogisticRegression(C=strength, class_weight=weight).fit(images[:, 0, 0] / 255, labels)
        for strength in (0.01, 0.1, 1.0)
    ]
    errors = [np.abs(found - peer.predict_proba(images[:, 0, 0] / 255)).max() for peer in peers]
    assert min(errors) < 1e-3  # the strength was chosen by cross-validation
    assert (found.argmax(axis=1) == 1).sum() > 12 if balanced else (found.argmax(axis=1) == 0).all()
