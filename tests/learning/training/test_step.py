"""learning/training/step.py: what a session must not have done before."""

import numpy as np
import pytest

from learning.errors import UsageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from models.convnet import ConvNet
from models.layers import fc_layer, global_average_pool
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


def test_a_session_that_ran_before_the_optimizer_was_built_trains(session, tmp_path):
    model = tiny_model(dropout_prob=0.3)
    sess = loaded(session, model)
    optimizer_of(model).train(sess, tmp_path, verbose=False, fresh=False)


class OwnCondition(ConvNet):
    """A network with a conditional of TensorFlow 2, which can only be differentiated before it runs."""

    def _build_model(self):
        with v1.variable_scope("fc"):
            x = fc_layer(global_average_pool(self.inputs), self.num_classes)
            return {"logits": tf.cond(self.is_train, lambda: 2.0 * tf.sigmoid(x), lambda: x)}


def test_a_session_that_ran_too_early_is_an_error_with_two_ways_out(session, tmp_path):
    if not v1.control_flow_v2_enabled():
        pytest.skip("conditionals of TensorFlow 1 do not have this limit")
    with tf.Graph().as_default():
        model = OwnCondition((10, 10, 3), 2)
    sess = loaded(session, model)
    sess.run(model.pred, {model.X: np.zeros((1, 10, 10, 3), np.uint8)})
    with pytest.raises(UsageError, match="ran before the Optimizer was built.*in a new session"):
        optimizer_of(model).train(sess, tmp_path, verbose=False)


def test_other_errors_stay_as_they_are():
    class Failing:
        def run(self, *_):
            raise tf.errors.InvalidArgumentError(None, None, "something else")

    step = optimizer_of(tiny_model())._training_step
    for fresh in (False, True):
        with pytest.raises(tf.errors.InvalidArgumentError, match="something else"):
            step.start(Failing(), fresh=fresh)
