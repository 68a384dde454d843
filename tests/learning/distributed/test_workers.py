"""N workers train the network that one would, and write what one would."""

import csv
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.callbacks import Callback
from learning.distributed.alone import ALONE
from learning.errors import ClusterError, UsageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS, MomentumOptimizer
from models.graph.batch_share import BatchShare, put_batch_share
from models.graph.copying import copied_from
from tests import worker_equality
from tests.conftest import TinyNet, make_set
from tests.support.local_workers import run_workers
from tests.support.worker_training import NoNorm, largest_difference, trained

pytestmark = pytest.mark.usefixtures("closed_network")


def assert_equal(found, expected, atol=0.0):
    """Compare losses, scores and variables; float32 rounds sums over 12 images to about 1e-7."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize(
    ("count", "hp"),
    [
        (2, {"clip_norm": 0.5, "batch_size": 11, "tensorboard": True}),
        (3, {"net": TinyNet, "sync_batch_norm": True, "batch_size": 10}),
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


@pytest.mark.long
@pytest.mark.parametrize("net", worker_equality.NETS)
@pytest.mark.parametrize("count", worker_equality.BATCH_SIZES)
def test_they_still_do_after_50_updates(tmp_path, without_pictures, count, net):
    found = worker_equality.compared(tmp_path, count, 50, net)
    assert found["updates"] >= 50
    assert found["losses"] < 5e-6
    assert found["variables"] < 1e-5
    assert found["among_workers"] == 0


@pytest.mark.bfloat16
def test_workers_in_mixed_precision_stay_identical_and_learn(tmp_path, without_pictures):
    hp = {"net": TinyNet, "precision": "bfloat16", "batch_size": 10}
    (results, values), (_, others) = run_workers(2, lambda workers: trained(tmp_path, workers, **hp))
    assert largest_difference(others, values) == 0
    assert results["step_losses"][-1] < 0.9 * results["step_losses"][0]
    assert all(value.dtype != "bfloat16" for value in values.values())


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


def test_predictions_of_a_worker_fold_batch_norm(without_pictures):
    def predict(workers):
        with tf.Graph().as_default():
            put_batch_share(workers.divide(4, sync_batch_norm=True))
            model = TinyNet((10, 10, 3), 2)
        with workers.open_session(model, 1) as sess:
            sess.run(v1.variables_initializer(model.variables))
            found = model.predict(sess, make_set(64), augment_pred=False)
            images, _ = make_set(64).batch(np.arange(64), is_train=False)
            return model._frozen, found, sess.run(model.pred, model.feed(images, is_train=False))

    for frozen, found, unfolded in run_workers(2, predict):
        assert frozen.pred is not None
        np.testing.assert_allclose(found, unfolded, rtol=0, atol=1e-6)


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
    run_workers(2, lambda workers: stopped(workers, tmp_path / "same"))
    shutil.copytree(tmp_path / "same", tmp_path / "alone")
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
            ClusterError, match=r"worker 1 \(.*\) has different weights from worker 0, and they"
        ):
            trained(tmp_path / "run", workers, kind=Drifting)

    run_workers(2, diverging)
    assert not list(tmp_path.glob("run/checkpoints/step-*"))


def test_the_own_share_of_a_batch_does_not_fix_the_size_of_predictions():
    with tf.Graph().as_default():
        put_batch_share(BatchShare(0, 4, 8))
        model = NoNorm((10, 10, 3), 2, dropout_prob=0.3)
        tf.gradients(model.loss, model.trainable_variables)  # which change the conditional of dropout
        _, logits = copied_from(model.inputs, model.logits, model.is_train)
    assert logits.shape.as_list() == [None, 2]
