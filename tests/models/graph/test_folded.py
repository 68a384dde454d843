"""models/graph/folded.py: the frozen copy predicts as the model does, is never stale, and disturbs nothing."""

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest

from learning.machine.kernels import ONEDNN, kernels
from models.graph.folded import FEWEST_CROPS, FrozenSession, freeze, frozen_session
from models.nn import AlexNet
from tests.conftest import make_set, tf, v1
from tests.support.frozen_nets import (
    CLOSE,
    CONDITIONAL,
    NETS,
    NUM_IMAGES,
    OwnNet,
    as_built,
    build,
    largest_difference,
    operations,
    shake,
    shaken,
)
from tests.support.other_process import ROOT


def started(model, session):
    """Open a session with values as after training."""
    sess = session(model)
    shake(model, sess)
    return sess


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, "float32") for name in NETS),
        *((name, "bfloat16") for name in ("basic", "bottleneck", "Branches", "Depthwise")),
    ],
)
def test_the_probabilities_are_those_of_the_model(name, precision, session):
    model = build(name, precision)
    assert largest_difference(name, precision, session(model), model) < CLOSE[precision]
    assert (model._frozen.pred is not None) == (name != "Noise")


def test_with_control_flow_and_variables_of_tensorflow_1_and_the_other_kernels():
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0" if kernels() == ONEDNN else "1"}
    command = [sys.executable, "-m", "tests.support.frozen_nets"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split(maxsplit=2)[2] for line in done.stdout.splitlines()}
    assert found == dict.fromkeys(CONDITIONAL, "folded") | {"Loop": "as built"}  # loops of TF1 are not copied


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["basic", "bottleneck", "smallnet", "head-only"])
def test_the_runtime_normalises_and_activates_in_the_convolutions(name, precision, session):
    if precision == "bfloat16" and kernels() != ONEDNN:
        pytest.skip("Eigen's kernels fuse nothing in bfloat16")
    model, sess = shaken(session, name, precision)
    frozen = frozen_session(sess, model, FEWEST_CROPS)
    images = make_set(2, num_classes=3).images[:, :10, :10]
    feed = {model.images: images, **frozen._weights}
    found = operations(sess, model._frozen.pred, feed)
    assert not [kind for kind in found if "BatchNorm" in kind]
    assert any("Conv2D" in kind and "BiasAdd" in kind for kind in found), found
    assert not {"Switch", "Merge", "If"} & set(found)


def test_a_channel_that_never_varied_is_scaled_as_the_model_scales_it(session):
    model, sess = shaken(session, "basic")
    with model.graph.as_default():
        for variable in model.variables:
            if variable.op.name.endswith("moving_variance"):
                variable.load(np.zeros(variable.shape), sess)
            if variable.op.name.endswith("gamma"):
                variable.load(np.full(variable.shape, 1e-3), sess)
    dataset = make_set(NUM_IMAGES, num_classes=3)
    np.testing.assert_allclose(
        model.predict(sess, dataset), as_built(model, sess, dataset), rtol=0, atol=1e-5
    )


def test_an_assignment_by_any_operation_is_seen_by_the_next_call(session):
    model, sess = shaken(session, "basic")
    dataset = make_set(NUM_IMAGES, num_classes=3)
    with model.graph.as_default():
        changes = [
            variable.assign(variable * 1.3 + 0.05) for variable in model.variables if variable.shape.rank
        ]
    before = model.predict(sess, dataset)
    for change in changes:
        sess.run(change)
        expected = as_built(model, sess, dataset)
        np.testing.assert_allclose(model.predict(sess, dataset), expected, rtol=0, atol=1e-5)
    assert np.abs(expected - before).max() > 1e-3


def test_the_same_weights_give_the_same_bits_every_time(session):
    model, sess = shaken(session, "basic")
    dataset = make_set(NUM_IMAGES, num_classes=3)
    first, second = (model.predict(sess, dataset, batch_size=30) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_norm_of_two_filters_for_each_channel_stays(session):
    model = build("Depthwise")
    frozen = frozen_session(started(model, session), model, FEWEST_CROPS)
    folded = {tensor.shape.as_list()[2] for tensor in frozen._weights if len(tensor.shape) == 4}
    assert folded == {3, 4}  # inputs of the first convolution and of the depthwise one
    assert len(frozen._weights) == 4


class TestTensorsOnTheWay:
    """`FrozenSession.run` gives every tensor the values that the session itself gives."""

    @pytest.mark.parametrize("name", ["head-only", "bottleneck", "Depthwise"])
    def test_all_tensors_have_their_values(self, name, session):
        model = build(name)
        sess = started(model, session)
        frozen = frozen_session(sess, model, FEWEST_CROPS)
        feed = model.feed(make_set(2, num_classes=3).images[:, :10, :10])
        tensors = {**model.d, "X": model.X, "inputs": model.inputs, "loss": model.loss}
        feed[model.y] = np.eye(3)[:2]
        for key, tensor in tensors.items():
            np.testing.assert_allclose(
                frozen.run(tensor, feed), sess.run(tensor, feed), rtol=0, atol=1e-4, err_msg=key
            )
        copied = {key for key, tensor in tensors.items() if frozen._frozen.copied(tensor) is not None}
        assert {"logits", "pred"} <= copied
        assert not {"X", "inputs", "loss"} & copied

    def test_a_list_and_a_feed_for_training_are_run_by_the_session(self, session):
        model = build("smallnet")
        sess = started(model, session)
        frozen = frozen_session(sess, model, FEWEST_CROPS)
        images = make_set(2, num_classes=3).images[:, :10, :10]
        trained = model.feed(images, is_train=True)
        np.testing.assert_array_equal(
            frozen.run(model.d["block1"], trained), sess.run(model.d["block1"], trained)
        )
        one, two = frozen.run([model.d["features"], model.pred], model.feed(images))
        np.testing.assert_array_equal(one, sess.run(model.d["features"], model.feed(images)))
        np.testing.assert_array_equal(two, sess.run(model.pred, model.feed(images)))

    def test_a_tensor_of_the_same_name_in_another_graph_is_not_taken_for_it(self, session):
        model, other = build("smallnet"), build("smallnet")
        frozen = frozen_session(started(model, session), model, FEWEST_CROPS)
        assert other.d["features"].name == model.d["features"].name
        assert frozen._frozen.copied(other.d["features"]) is None


def test_float_images(session):
    model, sess = shaken(session, "basic")
    dataset = make_set(NUM_IMAGES, num_classes=3)
    floats = type(dataset)((dataset.images / 255).astype(np.float32), crop_size=10)
    np.testing.assert_allclose(model.predict(sess, floats), as_built(model, sess, dataset), atol=1e-5)


class TestSideEffects:
    def ready(self, session, model):
        sess = session(model)
        shake(model, sess)
        return sess, make_set(NUM_IMAGES, num_classes=3)

    def test_the_graph_grows_once_and_without_new_variables(self, session):
        model = build("smallnet")
        sess, dataset = self.ready(session, model)
        variables = model.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)
        model.predict(sess, dataset)
        size = len(model.graph.get_operations())
        for _ in range(3):
            model.predict(sess, dataset)
        assert len(model.graph.get_operations()) == size
        assert model.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES) == variables

    def test_nothing_is_kept_between_calls_or_after_the_model(self):
        model = build("basic")
        with v1.Session(graph=model.graph) as sess:
            shake(model, sess)
            model.predict(sess, make_set(NUM_IMAGES, num_classes=3))
            gc.collect()
            assert not [found for found in gc.get_objects() if type(found) is FrozenSession]
        kept = weakref.ref(model), weakref.ref(model.graph)
        del model, sess
        gc.collect()
        assert [reference() for reference in kept] == [None, None]

    @pytest.mark.parametrize("num_images", [1, FEWEST_CROPS - 1])
    def test_few_images_are_predicted_by_the_graph_as_it_is(self, num_images, session):
        model = build("basic")
        sess, _ = self.ready(session, model)
        size = len(model.graph.get_operations())
        model.predict(sess, make_set(num_images, num_classes=3), augment_pred=False)
        assert len(model.graph.get_operations()) == size

    def test_a_net_without_batch_norm_is_not_copied(self):
        with tf.Graph().as_default():
            model = AlexNet((67, 67, 3), 2, dropout_prob=0.5)
        size = len(model.graph.get_operations())
        assert freeze(model).pred is None
        assert len(model.graph.get_operations()) == size

    def test_a_finished_graph_and_a_monitored_session(self):
        model = build("basic")
        dataset = make_set(NUM_IMAGES, num_classes=3)
        with model.graph.as_default(), v1.train.MonitoredSession() as sess:
            np.testing.assert_allclose(
                model.predict(sess, dataset), as_built(model, sess, dataset), atol=1e-5
            )
        model.graph.finalize()
        with v1.Session(graph=model.graph) as sess:
            assert frozen_session(sess, model, 1000) is sess

    def test_a_session_on_a_graph_that_cannot_grow(self):
        model = build("basic")
        config = v1.ConfigProto()
        config.experimental.optimize_for_static_graph = True
        with v1.Session(graph=model.graph, config=config) as sess:
            assert frozen_session(sess, model, 1000) is sess

    def test_a_session_on_another_machine(self):
        model = build("basic")
        server = v1.train.Server.create_local_server()
        with v1.Session(server.target, graph=model.graph) as sess:
            assert frozen_session(sess, model, 1000) is sess

    def test_a_feed_of_the_users_own(self, session):
        class Trained(OwnNet):
            def feed(self, images, labels=None, is_train=False):
                return super().feed(images, labels, is_train=True)

        class Blind(OwnNet):
            def feed(self, images, labels=None, is_train=False):
                fed = {**super().feed(images, labels), self.inputs: np.zeros((len(images), 10, 10, 3))}
                return fed

        for kind in (Trained, Blind):
            with tf.Graph().as_default():
                model = kind((10, 10, 3), 3)
            sess, dataset = self.ready(session, model)
            pred = model.predict(
                sess, dataset, batch_size=10
            )  # the crops of an image are one batch, as below
            np.testing.assert_allclose(pred, as_built(model, sess, dataset), atol=1e-5)

    def test_a_subclass_that_runs_the_session_itself_gets_the_session(self, session):
        given = []

        class Own(OwnNet):
            def _predict_crops(self, sess, images, batch_size):
                given.append(sess)
                return super()._predict_crops(sess, images, batch_size)

        with tf.Graph().as_default():
            model = Own((10, 10, 3), 3)
        sess, dataset = self.ready(session, model)
        model.predict(sess, dataset)
        assert set(map(id, given)) == {id(sess)}

    def test_probabilities_that_the_user_put_in_their_place(self, session):
        model = build("basic")
        sess, dataset = self.ready(session, model)
        model.predict(sess, dataset)
        with model.graph.as_default():
            model.pred = tf.nn.softmax(model.logits / 3)
        np.testing.assert_allclose(model.predict(sess, dataset), as_built(model, sess, dataset), atol=1e-5)

    def test_two_models_in_one_graph(self, session):
        with tf.Graph().as_default():
            models = []
            for scope in ("one", "two"):
                with v1.variable_scope(scope):
                    models.append(OwnNet((10, 10, 3), 3))
        for seed, model in enumerate(models):
            sess = session(model)
            with model.graph.as_default():
                sess.run(v1.global_variables_initializer())
            dataset = make_set(NUM_IMAGES, num_classes=3, seed=seed)
            pred = model.predict(sess, dataset)
            np.testing.assert_allclose(pred, as_built(model, sess, dataset), atol=1e-5)

    def test_the_graph_is_written_and_read_as_before(self, session, tmp_path, caplog):
        model = build("basic")
        sess, dataset = self.ready(session, model)
        pred = model.predict(sess, dataset)
        with model.graph.as_default():
            v1.train.Saver().save(sess, str(tmp_path / "model.ckpt"))
        assert not caplog.records
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess:
            v1.train.import_meta_graph(str(tmp_path / "model.ckpt.meta")).restore(
                sess, str(tmp_path / "model.ckpt")
            )
            again = sess.run(model.pred.name, {model.images.name: dataset.images[:, 1:11, 1:11]})
        assert again.shape == pred.shape
