"""N workers train the network that one would, and write what one would."""

import csv

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.callbacks import Callback
from learning.distributed.alone import ALONE
from learning.errors import ClusterError, UsageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS, MomentumOptimizer
from models.graph.batch_share import put_batch_share
from models.layers import conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet
from tests.conftest import TinyNet, make_set
from tests.support.local_workers import run_workers

HP = {"num_epochs": 3, "init_learning_rate": 0.05, "augment_pred": False}


class NoNorm(ConvNet):
    """A net whose loss for an image does not depend on the others in the batch."""

    def _build_model(self, dropout_prob=0.0):
        with v1.variable_scope("conv1"):
            x = tf.nn.relu(conv_layer(self.inputs, 3, 2, 4, weights_stddev=None))
        with v1.variable_scope("fc"):
            x = dropout(global_average_pool(x), dropout_prob, self.is_train)
            return {"logits": fc_layer(x, self.num_classes, weights_stddev=0.1, biases_value=0.0)}


def trained(
    folder, workers=ALONE, *, net=NoNorm, kind=OPTIMIZERS["momentum"], resume=False, callbacks=(), **hp
):
    """Train a tiny net; returns losses and scores, and the variables."""
    hp = {"batch_size": 12, **HP, **hp}
    with tf.Graph().as_default():
        if share := workers.divide(hp["batch_size"], sync_batch_norm=hp.get("sync_batch_norm", False)):
            put_batch_share(share)
        model = net((10, 10, 3), 2, dropout_prob=0.3, weight_decay=0.001)
    train_set, val_set = make_set(48), make_set(21, seed=1)
    optimizer = kind(model, train_set, AccuracyEvaluator(), val_set, workers=workers, **hp)
    with workers.open_session(model, 1) as sess:
        results = optimizer.train(
            sess, folder, details=True, verbose=False, resume=resume, callbacks=callbacks
        )
        values = sess.run(optimizer.saved_variables)
    return results, dict(zip([v.op.name for v in optimizer.saved_variables], values, strict=True))


def assert_equal(found, expected, atol=0.0):
    """Compare losses, scores and variables; float32 rounds sums over 12 images to about 1e-7."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize(
    ("count", "hp"),
    [
        (2, {"net": TinyNet, "sync_batch_norm": True, "batch_size": 11}),
        (3, {"clip_norm": 0.5, "batch_size": 10}),
        (4, {"batch_size": 7, "kind": OPTIMIZERS["adamw"], "init_learning_rate": 0.001}),
    ],
)
def test_workers_equal_one_process(tmp_path, without_pictures, count, hp):
    expected = trained(tmp_path / "one", **hp)
    found = run_workers(count, lambda workers: trained(tmp_path / "many", workers, **hp))
    for result in found:
        assert_equal(result, expected, atol=5e-6)
        assert_equal(result[1:], found[0][1:])  # to the bit
    texts = [(tmp_path / name / "history.csv").read_text() for name in ("one", "many")]
    rows = [list(csv.DictReader(text.splitlines())) for text in texts]
    for one, many in zip(*rows, strict=True):
        assert float(one["train_loss"]) == pytest.approx(float(many["train_loss"]), abs=5e-6)
        assert one["val_score"] == many["val_score"]


def test_own_statistics_of_batch_norm_are_averaged(tmp_path, without_pictures):
    def first_statistics(workers):
        with tf.Graph().as_default():
            put_batch_share(workers.divide(5))
            model = TinyNet((10, 10, 3), 2)
        kind = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), batch_size=5, workers=workers)
        images = np.random.default_rng(0).integers(0, 256, (5, 10, 10, 3), np.uint8)[workers.rows]
        labels = np.array([0, 1, 0, 1, 0])[workers.rows]
        with workers.open_session(model, 1) as sess:
            sess.run(kind.initialize)
            workers.copy_variables(sess, model.variables)
            [norm] = [v for v in model.variables if v.op.name == "conv1/moving_mean"]
            x = sess.run(model.graph.get_collection("batch_norms")[0].x, model.feed(images, is_train=True))
            kind._training_step.run(sess, images, labels, 0.1)
            return len(images), x.mean(axis=(0, 1, 2)), sess.run(norm)

    (one, first, moved), (two, second, also_moved) = run_workers(2, first_statistics)
    assert (one, two) == (2, 3)
    np.testing.assert_array_equal(moved, also_moved)
    np.testing.assert_allclose(moved, 0.1 * (2 * first + 3 * second) / 5, rtol=1e-5)


class StopAt(Callback):
    """Fails after an update."""

    def __init__(self, step):
        self._step = step

    def on_step(self, training):
        if training.global_step == self._step:
            raise RuntimeError("stop here")


def test_a_stopped_run_is_resumed_to_the_same_bits_and_with_fewer_workers(tmp_path, without_pictures, caplog):
    def stopped(workers, folder):
        with pytest.raises(RuntimeError if workers.is_chief else ClusterError, match="stop"):
            trained(folder, workers, net=TinyNet, callbacks=[StopAt(6)])

    def resumed(workers, folder):
        return trained(folder, workers, net=TinyNet, resume=True)

    expected = run_workers(2, lambda workers: trained(tmp_path / "peace", workers, net=TinyNet))
    for name in ("same", "alone"):
        run_workers(2, lambda workers, name=name: stopped(workers, tmp_path / name))
    assert (tmp_path / "same/checkpoints/step-00000007").is_dir()  # all stop after the next update
    found = run_workers(2, lambda workers: resumed(workers, tmp_path / "same"))
    for ours, theirs in zip(found, expected, strict=True):
        assert_equal(ours[1:], theirs[1:])
    assert_equal(found[0], expected[0])
    caplog.clear()
    results, _ = resumed(ALONE, tmp_path / "alone")
    assert "workers is 1, was 2" in caplog.text
    np.testing.assert_allclose(results["step_losses"][:7], expected[0][0]["step_losses"][:7])


def test_an_update_rule_that_sums_nothing_is_refused(tmp_path):
    class Own(MomentumOptimizer):
        def _optimize_op(self):
            return v1.train.GradientDescentOptimizer(self.learning_rate_placeholder).minimize(self.model.loss)

    def build(workers):
        with pytest.raises(UsageError, match="Own does not call self._gradients"):
            trained(tmp_path, workers, kind=Own)

    run_workers(2, build)


def test_more_workers_than_images_are_refused(tmp_path):
    def build(workers):
        with pytest.raises(UsageError, match="train.batch_size is 2, and there are 3 workers"):
            workers.divide(2)

    run_workers(3, build)


@pytest.mark.fault(41)
def test_workers_that_train_something_else_are_named():
    def compare(workers):
        workers.agree("options", {"train.seed": 0})
        with pytest.raises(
            ClusterError, match=r"worker 1 \(127\.0\.0\.1:\d+\) has options .*: train.seed; start"
        ):
            workers.agree("options", {"model.name": "x", "train.seed": workers.index})
        with pytest.raises(ClusterError, match=r"worker 1 .* has versions that differ .*: their names"):
            workers.agree("versions", {f"of {workers.index}": 0})

    run_workers(2, compare)


@pytest.mark.fault(41)
def test_other_weights_are_found_before_they_are_saved(tmp_path, without_pictures):
    def diverging(workers):
        class Drifting(MomentumOptimizer):
            def _optimize_op(self):
                error = 1e-7 * workers.index  # a processor that rounds in another way
                with tf.control_dependencies([super()._optimize_op()]):
                    return self.model.trainable_variables[0].assign_add(tf.fill([3, 3, 3, 4], error)).op

        with pytest.raises(
            ClusterError, match=r"worker 1 \(.*\) has other weights than worker 0, and nothing"
        ):
            trained(tmp_path / "run", workers, kind=Drifting)

    run_workers(2, diverging)
    assert not list(tmp_path.glob("run/checkpoints/step-*"))
