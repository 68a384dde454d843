"""learning/class_balance.py: what is said and done about classes of different size."""

import dataclasses

import numpy as np
import pytest
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
