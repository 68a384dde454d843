"""models/graph/freezing.py and the option `freeze`: what is frozen keeps its values and costs nothing."""

import functools

import numpy as np
import pytest

from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS
from learning.training.step import gradients
from models.catalogue import MODELS, model_class
from models.layers import batch_norm, conv_layer, fc_layer, global_average_pool
from models.nn import ConvNet
from tests.conftest import TinyNet, make_set, tf, tiny_model, v1

pytestmark = pytest.mark.usefixtures("without_pictures")

SHAPES = {"alexnet": (67, 67, 3), "mini-resnet": (8, 8, 1), "smallnet": (8, 8, 1)}
# Every scope of the whole net, but few blocks.
OPTIONS = {
    "smallnet": {"width": 2, "dropout_prob": 0.5},
    "alexnet": {"dropout_prob": 0.5},
    **{name: {"stages": (1, 1), "widths": (2, 4)} for name in MODELS if "resnet" in name},
    **{name: {"width": 0.1, "depth": 0.1} for name in MODELS if name.startswith("efficientnet")},
}
OF_CONV = {"conv1/weights", "conv1/biases", "conv1/gamma", "conv1/beta"}


@functools.cache
def catalogue_net(name, freeze=None):
    with tf.Graph().as_default():
        return model_class(name)(SHAPES.get(name, (8, 8, 3)), 3, freeze=freeze, **OPTIONS[name])


def names(variables):
    return {variable.op.name for variable in variables}


def operations_behind_gradients(model):
    """Count the gradients of convolutions that an update of the model needs."""
    with model.graph.as_default():
        gradients(model, model.loss)
    found = [op.type for op in model.graph.get_operations() if "Conv2d" in op.type or "Conv2D" in op.type]
    return len([kind for kind in found if "Backprop" in kind])


@pytest.mark.parametrize("name", MODELS)
def test_the_head_of_every_model_is_its_last_layer_behind_its_features(name):
    model = catalogue_net(name, "head-only")
    trained = {v.op.name: v for v in model.trainable_variables}
    assert trained.keys() == {f"{model.head}/weights", f"{model.head}/biases"}
    learnt = {n for n in names(model.variables) if n.endswith(("/weights", "/biases", "/gamma", "/beta"))}
    assert names(model.frozen_variables) == learnt - trained.keys()
    assert model.update_ops == []
    weights = trained[f"{model.head}/weights"]
    assert weights.shape.as_list() == [model.d["features"].shape[-1], 3]


@pytest.mark.parametrize("name", ["alexnet", "smallnet", "resnet50", "efficientnet-lite0"])
def test_the_backward_pass_ends_where_nothing_is_trained(name):
    assert operations_behind_gradients(catalogue_net(name, "head-only")) == 0
    if name != "efficientnet-lite0":  # which takes long
        assert operations_behind_gradients(catalogue_net(name)) > 3


def test_features_are_read_before_dropout(session):
    model = catalogue_net("smallnet")
    sess = started(session, model)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    weights, biases = (
        next(v for v in model.variables if v.op.name == f"fc/{leaf}") for leaf in ("weights", "biases")
    )
    fetches = [model.d["features"], model.logits, weights, biases]
    for is_train in (False, True):
        features, logits, w, b = sess.run(fetches, model.feed(images, is_train=is_train))
        assert np.allclose(logits, features @ w + b, atol=1e-4) != is_train


def test_older_variables_that_are_trained_cannot_be_frozen():
    with tf.Graph().as_default(), v1.variable_scope("net", reuse=v1.AUTO_REUSE):
        TinyNet((10, 10, 3), 2)
        message = "freeze is 'head-only', but net/conv1/weights is a trained variable that was there before"
        with pytest.raises(ValueError, match=message):
            TinyNet((10, 10, 3), 2, freeze="head-only")


def started(session, model):
    """Return a session in which every variable has a random value."""
    rng = np.random.default_rng(0)
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
        for variable in model.variables:
            if not variable.op.name.startswith("preprocessing"):
                variable.load(rng.uniform(0.5, 1.5, variable.shape.as_list()), sess)
    return sess


def values(sess, variables):
    return {v.op.name: value for v, value in zip(variables, sess.run(variables), strict=True)}


def trained(session, model, folder, kind="momentum", **options):
    """Make two updates; return the optimizer and the names of the model's variables that changed."""
    options = {"batch_size": 8, "num_epochs": 1, "augment_pred": False, **options}
    optimizer = OPTIMIZERS[kind](model, make_set(16), AccuracyEvaluator(), **options)
    sess = started(session, model)
    before = values(sess, model.variables)
    optimizer.train(sess, folder, verbose=False, fresh=False)
    return optimizer, changed(before, values(sess, model.variables))


def changed(before, after):
    return {name for name, value in after.items() if (value != before[name]).any()}


def test_one_flat_dictionary_serves_the_network_the_optimizer_and_the_prediction(session, tmp_path):
    hp_d = {"batch_size": 16, "num_epochs": 1, "freeze": "head-only", "augment_pred": False}
    model = tiny_model(**hp_d)
    optimizer = OPTIMIZERS["momentum"](model, make_set(16), AccuracyEvaluator(), **hp_d)
    sess = session(model)
    optimizer.train(sess, tmp_path, verbose=False, **hp_d)
    assert model.predict(sess, make_set(3), **hp_d).shape == (3, 2)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_frozen_variables_keep_their_bits_and_have_no_slots(kind, session, tmp_path):
    model = tiny_model(freeze="^conv1/", weight_decay=0.5, dropout_prob=0.3)
    assert names(model.frozen_variables) == OF_CONV
    assert names(model.decayed_variables) == {"fc/weights", "fc/biases"}
    optimizer, found = trained(session, model, tmp_path, kind, clip_norm=0.1)
    assert found == {"fc/weights", "fc/biases"}
    slots = names(optimizer.variables) - names(model.variables)
    assert [name for name in slots if "conv1" in name] == []
    assert any("fc/weights" in name for name in slots)


def test_a_frozen_norm_uses_its_moving_statistics_in_training(session):
    images = make_set(6).images[:, :10, :10]
    for freeze, is_equal in (
        ("head-only", True),
        ("conv1/gamma", True),
        ("conv1/weights", False),
        (None, False),
    ):
        model = tiny_model(freeze=freeze)
        sess = started(session, model)
        one, two = (sess.run(model.logits, model.feed(images, is_train=flag)) for flag in (True, False))
        assert np.allclose(one, two, atol=1e-6) == is_equal, freeze
        assert len(model.update_ops) == (0 if is_equal else 2)


class TwoLayers(ConvNet):
    """Two convolutions with batch norm."""

    def _build_model(self):
        x = self.inputs
        for scope in ("one", "two"):
            with v1.variable_scope(scope):
                x = batch_norm(conv_layer(x, 3, 2, 2, weights_stddev=None, biases_value=None), self.is_train)
        with v1.variable_scope("fc"):
            return {"logits": fc_layer(global_average_pool(x), self.num_classes)}


def test_a_part_may_be_frozen_while_the_norms_of_another_are_updated(session, tmp_path):
    with tf.Graph().as_default():
        model = TwoLayers((10, 10, 3), 2, freeze="^one/", weight_decay=0.0)
    _, found = trained(session, model, tmp_path)
    assert {"two/moving_mean", "two/moving_variance", "two/weights"} <= found
    assert not [name for name in found if name.startswith("one/")]
    assert operations_behind_gradients(model) > 0


class OwnNorm(ConvNet):
    """A norm as in TF1 programs, whose statistics are updated in one of several ways."""

    def _build_model(self, way="assign", is_resource=True):
        with v1.variable_scope("conv1", use_resource=is_resource):
            x = conv_layer(self.inputs, 3, 2, 2)
            mean = v1.get_variable("moving_mean", [2], trainable=False, initializer=v1.zeros_initializer())
            count = v1.get_variable("count", [], trainable=False, initializer=v1.zeros_initializer())
            batch_mean = tf.reduce_mean(x, [0, 1, 2])
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, self.update(way, mean, batch_mean))
        with v1.variable_scope("fc", use_resource=is_resource):
            seen = v1.get_variable("seen", [2], trainable=False, initializer=v1.zeros_initializer())
            # reads what is frozen, changes what is not
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, self.update(way, seen, batch_mean + mean + count))
            return {"logits": fc_layer(global_average_pool(x - mean), self.num_classes)}

    def update(self, way, variable, value):
        if way == "identity":
            return tf.identity(v1.assign(variable, value))
        if way == "group":
            return tf.group(v1.assign_add(variable, value), v1.assign_sub(variable, value / 2))
        if way == "cond":
            return tf.cond(self.is_train, lambda: tf.identity(v1.assign(variable, value)), lambda: value)
        return v1.assign(variable, value)


@pytest.mark.parametrize("is_resource", [True, False])
@pytest.mark.parametrize("way", ["assign", "identity", "group", "cond"])
def test_a_norm_of_the_users_own_keeps_its_statistics_too(way, is_resource, session):
    if way == "cond" and not is_resource and v1.control_flow_v2_enabled():
        pytest.skip("TensorFlow 2's conditionals cannot assign to reference variables")
    with tf.Graph().as_default():
        model = OwnNorm((10, 10, 3), 2, way=way, is_resource=is_resource, freeze="head-only")
    assert len(model.update_ops) == 1
    sess = started(session, model)
    before = values(sess, model.variables)
    sess.run(model.update_ops, model.feed(make_set(4).images[:, :10, :10], is_train=True))
    assert changed(before, values(sess, model.variables)) == {"fc/seen"}


class ByTfVariable(ConvNet):
    """Weights created by tf.Variable, whose names come from name scopes."""

    def _build_model(self):
        x = tf.reshape(self.inputs, [-1, 300])
        with v1.name_scope("layer"):
            hidden = tf.Variable(tf.ones([300, 4]), name="part/kernel")
            again = tf.Variable(tf.ones([300, 4]), name="part/kernel")
        with v1.name_scope("fc"):
            weights = tf.Variable(tf.ones([4, self.num_classes]), name="kernel")
        return {"logits": tf.matmul(tf.matmul(x, hidden + again), weights)}


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        ("head-only", {"layer/part/kernel", "layer/part/kernel_1"}),
        ("^layer/", {"layer/part/kernel", "layer/part/kernel_1"}),
        ("kernel_1", {"layer/part/kernel_1"}),
        ("^fc/kernel$", {"fc/kernel"}),
    ],
)
def test_variables_in_name_scopes_are_frozen_by_their_whole_names(freeze, frozen):
    with tf.Graph().as_default():
        model = ByTfVariable((10, 10, 3), 2, freeze=freeze)
    assert names(model.frozen_variables) == frozen
    assert len(model.trainable_variables) == 3 - len(frozen)


def test_a_network_in_a_scope_has_its_head_there():
    with tf.Graph().as_default(), v1.variable_scope("first"):
        model = TinyNet((10, 10, 3), 2, freeze="head-only")
    assert (model.head, TinyNet.head) == ("first/fc", "fc")
    assert names(model.trainable_variables) == {"first/fc/weights", "first/fc/biases"}


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        ("fc9", "freeze is 'fc9', which matches none of the variables; give head-only"),
        ("", "freeze is '', which matches none"),
        (".", "freeze is '.', which leaves nothing to train; the last layer's scope is 'fc'"),
        ("conv(1", r"freeze is 'conv\(1', which is not a regular expression: missing \)"),
    ],
)
def test_what_cannot_be_meant_is_refused(freeze, message):
    with pytest.raises(ValueError, match=message):
        tiny_model(freeze=freeze)


def test_a_last_layer_in_another_scope_is_named():
    class Other(TinyNet):
        head = "logits"

    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="the last layer's scope is 'logits'; if your last layer"),
    ):
        Other((10, 10, 3), 2, freeze="head-only")
