"""learning/runs/score_checks.py: sets that cannot be scored are refused before training."""

import logging
import math

import numpy as np
import pytest

from datasets.dataset import DataSet
from learning.evaluators import AccuracyEvaluator, Evaluator, RocAucEvaluator
from learning.optimizers import MomentumOptimizer
from learning.runs.score_checks import check_scores
from tests.conftest import make_set, tiny_model

pytestmark = pytest.mark.usefixtures("without_pictures")

pytestmark = pytest.mark.fault(48)

NAMES = ("a", "b", "c")


def labelled(*labels):
    """Return a set of images with these labels."""
    return DataSet(np.zeros((len(labels), 12, 12, 3), np.uint8), np.array(labels, np.int64), crop_size=10)


def test_the_validation_set_is_asked_and_not_the_training_set():
    whole, partial = labelled(0, 1, 2), labelled(0, 2, 2)
    check_scores(RocAucEvaluator(), partial, whole, NAMES, 1)
    with pytest.raises(ValueError, match="the validation set cannot be scored: roc_auc needs .* none of 'b'"):
        check_scores(RocAucEvaluator(), whole, partial, NAMES, 3)
    check_scores(AccuracyEvaluator(), whole, partial, NAMES, 1)


def test_a_validation_set_without_images_or_labels():
    empty = DataSet(np.zeros((0, 12, 12, 3), np.uint8), np.zeros(0, np.int64), crop_size=10)
    unlabelled = DataSet(np.zeros((3, 12, 12, 3), np.uint8), crop_size=10)
    for dataset in (empty, unlabelled):
        with pytest.raises(ValueError, match="the validation set has no labelled images"):
            check_scores(AccuracyEvaluator(), labelled(0, 1), dataset, NAMES, 1)


def test_without_a_validation_set_the_minibatch_counts(caplog):
    train_set = labelled(*[0, 1, 2] * 30)
    with pytest.raises(ValueError, match="the training set cannot be scored: .* none of 'c'"):
        check_scores(RocAucEvaluator(), labelled(0, 1, 1), None, NAMES, 3)
    with pytest.raises(ValueError, match="2 images cannot cover all 3 classes; hold out a validation set"):
        check_scores(RocAucEvaluator(), train_set, None, NAMES, 2)
    check_scores(RocAucEvaluator(), train_set, None, NAMES, 60)  # 3 * (2/3)**60: never
    check_scores(AccuracyEvaluator(), train_set, None, NAMES, 2)
    assert not caplog.records
    check_scores(RocAucEvaluator(), train_set, None, NAMES, 6)
    assert "6 images often lack a class, and then have no score; hold out" in caplog.text


def test_a_bad_evaluator_is_refused_before_anything_is_written(session, tmp_path):
    model = tiny_model()
    val_set = make_set(4).subset([0, 2])  # of class 0 alone
    optimizer = MomentumOptimizer(model, make_set(), RocAucEvaluator(), val_set, batch_size=8, num_epochs=1)
    with pytest.raises(ValueError, match="roc_auc needs images of every class, and there are none of '1'"):
        optimizer.train(session(model), tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Unable(Evaluator):
    """An evaluator written as in the post, which cannot check before training whether it has a score."""

    worst_score = 0.0
    mode = "max"

    def score(self, y_true, y_pred):
        return math.nan


def test_an_evaluator_that_cannot_tell_is_warned_of_once(session, tmp_path, caplog):
    model = tiny_model()
    optimizer = MomentumOptimizer(model, make_set(), Unable(), make_set(4), batch_size=8, num_epochs=2)
    with caplog.at_level(logging.WARNING):
        optimizer.train(session(model), tmp_path, verbose=False)
    (record,) = caplog.records
    assert "the score of epoch 1 is NaN: the evaluator has none for these labels" in record.getMessage()
    assert optimizer.state.epoch == 2
