"""Train a tiny net and compare the states of two runs."""

import numpy as np

from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from tests.conftest import make_set, tiny_model

HP = {"batch_size": 10, "num_epochs": 3, "init_learning_rate": 0.05, "augment_pred": False}


class Scores(AccuracyEvaluator):
    """Returns prepared scores, each twice: for the minibatch and the validation set."""

    def __init__(self, scores):
        self.scores = [score for score in scores for _ in range(2)]

    def score(self, y_true, y_pred):
        return self.scores.pop(0)


def train(
    session,
    save_dir,
    *,
    evaluator=None,
    kind=MomentumOptimizer,
    model=None,
    val_set=None,
    resume=False,
    callbacks=(),
    **hp,
):
    """Train a tiny net on 48 images; returns the optimizer, the session and the results."""
    model = model or tiny_model(dropout_prob=0.3, weight_decay=hp.pop("weight_decay", 0.0005))
    options = {**HP, **hp}
    val_set = val_set or make_set(20, seed=1)
    optimizer = kind(model, make_set(48), evaluator or AccuracyEvaluator(), val_set, **options)
    sess = session(model)
    results = optimizer.train(sess, save_dir, details=True, verbose=False, resume=resume, callbacks=callbacks)
    return optimizer, sess, results


def weights(optimizer, sess):
    return {
        v.op.name: value for v, value in zip(optimizer.variables, sess.run(optimizer.variables), strict=True)
    }


def assert_same_state(first, second):
    (one, one_sess, one_results), (two, two_sess, two_results) = first, second
    assert one_results == two_results
    assert one.state == two.state
    ours, theirs = weights(one, one_sess), weights(two, two_sess)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
