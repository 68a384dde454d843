"""learning/training/step.py: what a session must not have done before."""

import numpy as np
import pytest

from learning.errors import UsageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from models.weights.files import Weights
from models.weights.load import load_tensors
from tests.conftest import make_set, tf, tiny_model, v1

pytestmark = pytest.mark.usefixtures("without_pictures")


def loaded(session, model):
    """Return a session with loaded weights."""
    tensors = {v.op.name: np.ones(v.shape.as_list(), np.float32) for v in model.variables}
    sess = session(model)
    load_tensors(sess, model, Weights(tensors, "numpy", "w.npz"))
    return sess


def optimizer_of(model):
    return MomentumOptimizer(model, make_set(16), AccuracyEvaluator(), batch_size=8, num_epochs=1)


def test_a_session_that_ran_too_early_is_an_error_with_two_ways_out(session, tmp_path):
    model = tiny_model(dropout_prob=0.3)
    sess = loaded(session, model)
    optimizer = optimizer_of(model)
    if not v1.control_flow_v2_enabled():
        pytest.skip("conditionals of TensorFlow 1 do not have this limit")
    with pytest.raises(UsageError, match="ran before the Optimizer was built.*in a new session"):
        optimizer.train(sess, tmp_path / "one", verbose=False)
    optimizer.train(loaded(session, model), tmp_path / "two", verbose=False, fresh=False)


def test_other_errors_stay_as_they_are():
    class Failing:
        def run(self, *_):
            raise tf.errors.InvalidArgumentError(None, None, "something else")

    step = optimizer_of(tiny_model())._training_step
    for fresh in (False, True):
        with pytest.raises(tf.errors.InvalidArgumentError, match="something else"):
            step.start(Failing(), fresh=fresh)
