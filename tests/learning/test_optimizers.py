"""learning/optimizers.py: one update from known weights, against the formula worked out in NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS, MomentumOptimizer
from tests.conftest import TinyNet, make_set, tiny_model
from tests.support.tiny_training import HP, train

pytestmark = pytest.mark.usefixtures("without_pictures")


def one_update(session, tmp_path, kind, weight_decay=0.0, make_model=tiny_model, **hp):
    model = make_model(weight_decay=weight_decay)
    images = make_set(48)
    optimizer = kind(model, images, AccuracyEvaluator(), **{**HP, "num_epochs": 1, "batch_size": 48, **hp})
    sess = session(model)
    optimizer.train(sess, tmp_path / "a", verbose=False)
    after = sess.run(model.trainable_variables)
    sess.run([v.initializer for v in optimizer.variables])
    sess.run(model.global_step.initializer)
    before = sess.run(model.trainable_variables)
    images.cursor = {"epochs_completed": 0, "index_in_epoch": 0}
    feed = model.feed(*images.next_batch(48), is_train=True)
    with model.graph.as_default():
        data_loss = model.graph.get_tensor_by_name("data_loss:0")
        gradients = sess.run(v1.gradients(data_loss, model.trainable_variables), feed)
    return before, gradients, after


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_the_first_momentum_update_is_the_gradient_with_decay(session, tmp_path, momentum):
    before, gradients, after = one_update(session, tmp_path, MomentumOptimizer, 0.1, momentum=momentum)
    for w, g, new in zip(before, gradients, after, strict=True):
        np.testing.assert_allclose(new, w - 0.05 * (g + 0.1 * w), rtol=1e-4, atol=1e-6)


def test_decay_counts_as_often_as_a_users_own_loss_adds_it(session, tmp_path):
    class Doubled(TinyNet):
        def _build_loss(self, weight_decay=0.0005):
            return 2.0 * super()._build_loss(weight_decay)

    def make_model(weight_decay):
        with v1.Graph().as_default():
            return Doubled((10, 10, 3), 2, weight_decay=weight_decay)

    before, gradients, after = one_update(session, tmp_path, MomentumOptimizer, 0.1, make_model, momentum=0.0)
    for w, g, new in zip(before, gradients, after, strict=True):
        np.testing.assert_allclose(new, w - 0.05 * 2 * (g + 0.1 * w), rtol=1e-4, atol=1e-6)


def test_momentum_is_taken_from_the_options(session, tmp_path):
    runs = [train(session, tmp_path / str(m), momentum=m)[2]["step_losses"] for m in (0.1, 0.9)]
    assert runs[0][0] == runs[1][0]
    assert runs[0][-1] != runs[1][-1]


def test_nesterov_looks_ahead(session, tmp_path):
    before, gradients, after = one_update(session, tmp_path, OPTIMIZERS["nesterov"], momentum=0.9)
    for w, g, new in zip(before, gradients, after, strict=True):
        np.testing.assert_allclose(new, w - 0.05 * 1.9 * g, rtol=1e-4, atol=1e-6)


def test_adamw_takes_decay_off_the_weights_not_through_the_gradient(session, tmp_path):
    before, gradients, after = one_update(session, tmp_path, OPTIMIZERS["adamw"], 0.1, epsilon=1e-3)
    for w, g, new in zip(before, gradients, after, strict=True):
        # first step: m_hat = g, v_hat = g^2; TensorFlow's epsilon stands beside sqrt(v) before correction
        step = g / (np.abs(g) + 1e-3 / math.sqrt(1 - 0.999))
        np.testing.assert_allclose(new, w - 0.05 * 0.1 * w - 0.05 * step, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["momentum", "adamw"])
def test_terms_that_a_subclass_adds_to_the_loss_are_minimised(session, tmp_path, name):
    class Shifted(TinyNet):
        def _build_loss(self, weight_decay=0.0005):
            self.extra = self.trainable_variables[0]
            return super()._build_loss(weight_decay) + 100.0 * tf.reduce_sum(self.extra)

    with v1.Graph().as_default():
        model = Shifted((10, 10, 3), 2)
    rate = {"num_epochs": 1, "batch_size": 48, "init_learning_rate": 0.01}
    optimizer = OPTIMIZERS[name](model, make_set(48), AccuracyEvaluator(), **{**HP, **rate})
    sess = session(model)
    sess.run(optimizer.initialize)
    before = sess.run(model.extra)
    optimizer.train(sess, tmp_path, verbose=False)
    assert (sess.run(model.extra) < before).all()


def test_clipping_scales_to_the_global_norm(session, tmp_path):
    before, gradients, after = one_update(session, tmp_path, MomentumOptimizer, clip_norm=0.01)
    norm = math.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients))
    assert norm > 0.01
    for w, g, new in zip(before, gradients, after, strict=True):
        np.testing.assert_allclose(new, w - 0.05 * g * 0.01 / norm, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_learns(session, tmp_path, name):
    rate = {"adam": 0.02, "adamw": 0.02, "rmsprop": 0.002}.get(name, 0.05)
    _, _, results = train(session, tmp_path, kind=OPTIMIZERS[name], num_epochs=15, init_learning_rate=rate)
    assert results["eval_scores"][-1] >= 0.9


def test_auto_becomes_numbers_for_the_size_of_the_set(session, tmp_path):
    optimizer, _, results = train(session, tmp_path / "a", batch_size="auto", num_epochs="auto")
    assert (optimizer.config.train.batch_size, optimizer.config.train.num_epochs) == (16, 20)
    assert (optimizer.hp["batch_size"], optimizer.hp["num_epochs"]) == (16, 20)
    assert len(results["step_losses"]) == 20 * (48 // 16)
    sess = session(optimizer.model)
    again = optimizer.train(
        sess, tmp_path / "b", details=True, verbose=False, batch_size="auto", num_epochs=1
    )
    assert len(again["step_losses"]) == 48 // 16
