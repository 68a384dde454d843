"""Networks written as in TF1 programs work, or the error says what to write instead."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.evaluators import AccuracyEvaluator, Evaluator
from learning.optimizers import MomentumOptimizer
from models.graph.errors import BuildError
from models.layers import batch_norm, conv_layer, fc_layer
from models.nn import ConvNet
from tests.conftest import TinyNet, make_set, tiny_model

pytestmark = pytest.mark.usefixtures("without_pictures")

SHAPE = (4, 4, 3)
PIXELS = 48  # values of one image


class Linear(ConvNet):
    """One matrix of ones with an unusual name, created as in TF1 programs."""

    def _build_model(self, **kwargs):
        weights = v1.get_variable("W", [PIXELS, self.num_classes], initializer=v1.ones_initializer())
        return {"logits": tf.matmul(tf.reshape(self.inputs, [-1, PIXELS]), weights)}


def built(network, **options):
    with tf.Graph().as_default():
        return network(SHAPE, 2, **{"weight_decay": 0.0, **options})


def value(model, session, tensor):
    """Evaluate a tensor for two black images, whose logits are equal: their cross-entropy is log(2)."""
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    return sess.run(tensor, model.feed(np.zeros((2, *SHAPE), np.uint8), np.array([0, 1])))


def trained(model, session, folder, evaluator=None, **options):
    """Train for two updates on 16 images; returns the optimizer and the results."""
    options = {"batch_size": 8, "num_epochs": 1, "init_learning_rate": 0.01, **options}
    train_set = options.pop("train_set", None) or make_set(16, size=4, crop=4)
    optimizer = MomentumOptimizer(model, train_set, evaluator or AccuracyEvaluator(), **options)
    return optimizer, optimizer.train(session(model), folder, details=True, verbose=False)


class TestLosses:
    def test_a_regularizer_of_a_variable_is_part_of_the_loss(self, session):
        class Net(Linear):
            def _build_model(self):
                regularizer = lambda v: 0.5 * tf.reduce_sum(tf.square(v))  # noqa: E731
                v1.get_variable("b", [3], initializer=v1.ones_initializer(), regularizer=regularizer)
                return super()._build_model()

        model = built(Net)
        assert value(model, session, model.loss) == pytest.approx(np.log(2) + 1.5, rel=1e-6)

    def test_a_loss_added_to_the_graph_is_part_of_the_loss(self, session):
        class Net(Linear):
            def _build_model(self):
                v1.losses.add_loss(tf.constant(2.0))
                return super()._build_model()

        model = built(Net)
        assert value(model, session, model.loss) == pytest.approx(np.log(2) + 2, rel=1e-6)

    def test_losses_that_a_users_own_loss_includes_count_once(self, session):
        class Net(Linear):
            def _build_model(self, **kwargs):
                v1.losses.add_loss(tf.constant(2.0))
                return super()._build_model()

            def _build_loss(self, **kwargs):
                v1.losses.softmax_cross_entropy(self.y, self.logits)
                return v1.losses.get_total_loss()

        model = built(Net)
        assert value(model, session, model.loss) == pytest.approx(np.log(2) + 2, rel=1e-6)

    def test_losses_of_another_network_in_the_graph_are_not_its_own(self, session):
        class Net(Linear):
            def _build_model(self):
                v1.losses.add_loss(tf.constant(2.0))
                return super()._build_model()

        with tf.Graph().as_default():
            with v1.variable_scope("first"):
                Net(SHAPE, 2)
            with v1.variable_scope("second"):
                model = Linear(SHAPE, 2, weight_decay=0.0)
        assert value(model, session, model.loss) == pytest.approx(np.log(2), rel=1e-6)

    def test_weights_of_any_name_are_decayed_and_vectors_are_not(self, session):
        class Net(Linear):
            def _build_model(self):
                v1.get_variable("offset", [7], initializer=v1.ones_initializer())
                return super()._build_model()

        model = built(Net, weight_decay=0.5, weight_decay_on="weights")
        assert [v.op.name for v in model.decayed_variables] == ["W"]
        assert value(model, session, model.loss) == pytest.approx(np.log(2) + 0.5 * PIXELS * 2 / 2, rel=1e-6)


class TestVariables:
    def test_integer_variables_are_updated_and_saved(self, session, tmp_path):
        class Net(Linear):
            def _build_model(self):
                counter = v1.get_variable("counter", [], tf.int32, v1.zeros_initializer(), trainable=False)
                v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign_add(counter, 1))
                return super()._build_model()

        optimizer, _ = trained(built(Net), session, tmp_path)
        saved = tf.train.load_checkpoint(str(tmp_path / "model.ckpt"))
        assert saved.get_tensor("counter") == 2  # an update op of one's own runs with every update
        assert optimizer.state.global_step == 2

    def test_options_can_be_popped_and_the_mean_is_that_of_pixels_in_0_to_1(self):
        found = {}

        class Net(Linear):
            def _build_model(self, **kwargs):
                found["mean"] = kwargs.pop("image_mean", 0.0)
                found["rate"] = kwargs.pop("dropout_prob", 0.0)
                return super()._build_model()

        built(Net, image_mean=np.array([51.0, 102.0, 204.0]), dropout_prob=0.25)
        np.testing.assert_allclose(found["mean"], [0.2, 0.4, 0.8], rtol=1e-6)
        assert found["rate"] == 0.25

    def test_two_networks_live_in_the_default_graph_of_one_program(self, session):
        with tf.Graph().as_default() as graph:
            with v1.variable_scope("a"):
                first = TinyNet((10, 10, 3), 2)
            with v1.variable_scope("b"):
                second = TinyNet((10, 10, 3), 2)
        assert first.graph is second.graph is graph
        assert not {v.op.name for v in first.variables} & {v.op.name for v in second.variables}
        assert len(first.update_ops) == len(second.update_ops) == 2


@pytest.mark.parametrize("depth", [0, 1, 2], ids=["plain", "in a branch", "in a branch of a branch"])
def test_random_numbers_without_a_saved_state_give_a_warning(depth, caplog):
    class Net(Linear):
        def _build_model(self, **kwargs):
            d = super()._build_model()
            drop = lambda: v1.nn.dropout(d["logits"], rate=0.5)  # noqa: E731
            for _ in range(depth):
                drop = lambda inner=drop: tf.cond(self.is_train, inner, lambda: d["logits"])  # noqa: E731
            return {"logits": drop()}

    MomentumOptimizer(built(Net), make_set(4, size=4, crop=4), AccuracyEvaluator())
    [record] = [record for record in caplog.records if "no checkpoint holds" in record.message]
    assert "a resumed run will differ; use models.layers.dropout" in record.message
    caplog.clear()
    MomentumOptimizer(tiny_model(dropout_prob=0.5), make_set(4), AccuracyEvaluator())
    assert not caplog.records


class TestWeightsOfTheSession:
    """Restored weights are trained on."""

    @pytest.mark.fault(51)
    def test_restored_weights_are_trained_on_with_a_message(self, session, tmp_path, caplog):
        trained(built(Linear), session, tmp_path / "first", num_epochs=3)
        saved = tf.train.load_checkpoint(str(tmp_path / "first" / "model.ckpt")).get_tensor("W")
        model = built(Linear)
        sess = session(model)
        with model.graph.as_default():
            v1.train.Saver(model.variables).restore(sess, str(tmp_path / "first" / "model.ckpt"))
        optimizer = MomentumOptimizer(model, make_set(16, size=4, crop=4), AccuracyEvaluator(), batch_size=8)
        optimizer.train(sess, tmp_path / "second", verbose=False, num_epochs=1, init_learning_rate=1e-9)
        np.testing.assert_allclose(sess.run(model.trainable_variables[0]), saved, rtol=1e-5)
        assert "training starts from the values that 3 of the model's 3 variables have" in caplog.text
        assert sess.run(model.global_step) == 2

    @pytest.mark.fault(51)
    def test_a_fresh_training_starts_from_initial_values(self, session, tmp_path, caplog):
        model = built(Linear)
        sess = session(model)
        with model.graph.as_default():
            sess.run(model.trainable_variables[0].assign(np.full((PIXELS, 2), 7, np.float32)))
        optimizer = MomentumOptimizer(model, make_set(16, size=4, crop=4), AccuracyEvaluator(), batch_size=8)
        optimizer.train(sess, tmp_path, fresh=True, verbose=False, num_epochs=1, init_learning_rate=1e-9)
        np.testing.assert_allclose(sess.run(model.trainable_variables[0]), 1, rtol=1e-5)
        assert "training starts from" not in caplog.text


class TestSharedVariables:
    def test_a_second_network_that_reuses_variables_has_them_too(self):
        with tf.Graph().as_default():
            first = Linear(SHAPE, 2)
            with v1.variable_scope(v1.get_variable_scope(), reuse=True):
                second = Linear(SHAPE, 2)
        assert [v.op.name for v in second.variables] == [v.op.name for v in first.variables]
        assert [v.op.name for v in second.trainable_variables] == ["W"]

    def test_variables_that_a_constructor_makes_first_are_trained(self):
        class Net(ConvNet):
            def __init__(self, *args, **options):
                self.W = v1.get_variable("W", [PIXELS, 2])
                super().__init__(*args, **options)

            def _build_model(self):
                return {"logits": tf.matmul(tf.reshape(self.inputs, [-1, PIXELS]), self.W)}

        with tf.Graph().as_default():
            model = Net(SHAPE, 2)
        assert [v.op.name for v in model.trainable_variables] == ["W"]

    def test_the_seed_of_the_programs_graph_stays(self):
        with tf.Graph().as_default() as graph:
            v1.set_random_seed(123)
            Linear(SHAPE, 2, seed=5)
            assert graph.seed == 123


class TestLabelsAndImages:
    def test_class_numbers_train_like_one_hot_labels(self, session, tmp_path):
        numbers = make_set(16, size=4, crop=4)
        numbers = type(numbers)(numbers.images, numbers.labels.argmax(axis=1), crop_size=4)
        _, losses = trained(built(Linear), session, tmp_path / "numbers", train_set=numbers, val_set=numbers)
        _, others = trained(
            built(Linear), session, tmp_path / "one-hot", val_set=make_set(16, size=4, crop=4)
        )
        assert losses == others

    def test_an_evaluator_written_as_in_the_post_gets_one_hot_labels(self, session, tmp_path):
        class Post(Evaluator):
            worst_score, mode = 0.0, "max"

            def score(self, y_true, y_pred):
                return float((y_true.argmax(axis=1) == y_pred.argmax(axis=1)).mean())

            def is_better(self, curr, best, **kwargs):
                return curr > best * (1.0 + kwargs.pop("score_threshold", 1e-4))

        numbers = make_set(16, size=4, crop=4)
        numbers = type(numbers)(numbers.images, numbers.labels.argmax(axis=1), crop_size=4)
        _, results = trained(built(Linear), session, tmp_path, Post(), train_set=numbers, val_set=numbers)
        assert 0 <= results["eval_scores"][0] <= 1

    def test_an_invalid_class_number_is_named(self):
        model = built(Linear)
        images = np.zeros((3, *SHAPE), np.uint8)
        with pytest.raises(
            ValueError, match="label 1 is -1; the classes of this network are numbered from 0 to 1"
        ):
            model.feed(images, np.array([0, -1, 5]))
        with pytest.raises(ValueError, match="label 2 is 2"):
            model.feed(images, np.array([0, 1, 2]))

    def test_predict_takes_a_plain_array(self, session):
        model = built(Linear)
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        images = make_set(5, size=4, crop=4).images
        expected = sess.run(model.pred, {model.images: images})
        np.testing.assert_allclose(model.predict(sess, images, batch_size=2), expected, rtol=1e-5)
        np.testing.assert_allclose(model.predict(sess, images / 255.0), expected, rtol=1e-5)
        with pytest.raises(
            ValueError, match=r"images of shape \(5, 9, 4, 3\); the network takes \(N, 4, 4, 3\)"
        ):
            model.predict(sess, np.zeros((5, 9, 4, 3), np.uint8))


@pytest.mark.filterwarnings("ignore::UserWarning")  # slim's own calls of Keras
class TestSlim:
    slim = pytest.importorskip("tf_slim")

    def test_a_network_of_slim_layers_trains(self, session, tmp_path):
        slim = self.slim

        class Net(ConvNet):
            def _build_model(self):
                options = {"normalizer_fn": batch_norm, "normalizer_params": {"is_train": self.is_train}}
                regularizer = slim.l2_regularizer(0.1)
                with slim.arg_scope([slim.conv2d], weights_regularizer=regularizer, **options):
                    x = slim.conv2d(self.inputs, 4, [3, 3], scope="conv1")
                return {"logits": slim.fully_connected(slim.flatten(x), 2, activation_fn=None, scope="fc")}

        model = built(Net)
        names = {v.op.name for v in model.variables}
        assert {"conv1/weights", "conv1/moving_mean", "fc/weights"} <= names
        assert len(model.update_ops) == 2
        optimizer, results = trained(model, session, tmp_path)
        squares = tf.train.load_checkpoint(str(tmp_path / "model.ckpt")).get_tensor("conv1/weights") ** 2
        assert results["step_losses"][-1] > 0.1 * squares.sum() / 2  # the regularizer's share
        assert optimizer.state.global_step == 2


class TestErrors:
    """An error in a user's own network is reported with its line and the fix."""

    def refused(self, build, **options):
        class Net(ConvNet):
            def _build_model(self):
                return build(self)

        with tf.Graph().as_default(), pytest.raises(BuildError) as caught:
            Net(SHAPE, 2, **options)
        assert caught.value.__cause__ is not None
        return str(caught.value)

    def test_two_layers_in_one_scope(self):
        def build(net):
            x = conv_layer(net.inputs, 3, 1, 4)
            return {"logits": conv_layer(x, 3, 1, 4)}

        message = self.refused(build)
        assert message.startswith(f"{__file__}, line ")
        assert (
            "weights exists already: give each layer a scope of its own, `with tf.variable_scope(" in message
        )
        assert "reuse" not in message

    @pytest.mark.parametrize(
        ("build", "cure"),
        [
            (lambda net: v1.contrib.layers.flatten(net.inputs), "tf.contrib is not part of TensorFlow 2"),
            (lambda net: v1.layers.dense(net.inputs, 2), "tf.layers.dense is not part of TensorFlow 2"),
            (lambda net: tf.placeholder(tf.float32), "write `import tensorflow.compat.v1 as tf`"),
            (lambda net: conv_layer(net.inputs, 9, 1, 4, padding="VALID"), "leaves no pixel"),
            (lambda net: {"logits": net.d["conv9"]}, "AttributeError: 'Net' object has no attribute 'd'"),
            (lambda net: {}["conv9"], "KeyError: 'conv9'"),
        ],
    )
    def test_the_line_and_the_cure_are_named(self, build, cure):
        message = self.refused(build)
        assert message.startswith(f"{__file__}, line ")
        assert cure in message

    def test_a_batch_norm_of_slim_that_needs_keras(self):
        slim = pytest.importorskip("tf_slim")
        message = self.refused(lambda net: slim.batch_norm(net.inputs, is_training=net.is_train))
        assert message.startswith(f"{__file__}, line ")
        assert "write normalizer_fn=models.layers.batch_norm with" in message

    def test_two_networks_in_one_scope(self):
        with tf.Graph().as_default():
            tiny = TinyNet((10, 10, 3), 2)
            with pytest.raises(BuildError, match=r"scale exists already: .* each network its own"):
                TinyNet((10, 10, 3), 2)
        assert tiny.graph is not tiny_model().graph

    def test_a_wrong_option_of_the_projects_networks_keeps_its_message(self):
        def build(net):
            return {"logits": fc_layer(tf.reshape(net.inputs, [-1, PIXELS]), 2)}

        with pytest.raises(ValueError, match="must be one of all, weights"):
            self.refused(build, weight_decay_on="kernels")
