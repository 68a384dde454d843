"""One contract for every model, and what is particular to each."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.augment.windows import corner_center_crop_reflect
from datasets.dataset import DataSet
from learning.checkpoints.saved_variables import restore
from models.catalogue import MODELS, model_class
from models.nn import AlexNet, ConvNet, SmallNet
from tests.conftest import make_set, tiny_model

# The smallest input of a net, where it is not SMALL, and options that show all its parts.
SMALL = (8, 8, 3)
SMALLEST = {"alexnet": (67, 67, 3), "mini-resnet": (8, 8, 1), "smallnet": (8, 8, 1)}
OPTIONS = {"alexnet": {"dropout_prob": 0.5, "local_response_norm": True}, "smallnet": {"dropout_prob": 0.5}}

# The plain twins of a basic and a bottleneck net, beside the names of the catalogue.
PLAIN = {"plain18": "resnet18", "plain50": "resnet50"}
# What the contract asks shows with one block to each of two stages; whole depths are left to the long tests.
SHORT = {
    name: {"stages": (1, 1), "widths": (16, 32)} for name in ("resnet18", "resnet20", "resnet50", "plain18")
}
QUICK = [
    *(
        (name, precision)
        for name in ("alexnet", "smallnet", "resnet20")
        for precision in ("float32", "bfloat16")
    ),
    *((name, "bfloat16") for name in ("mini-resnet", "resnet18", "resnet50", "plain18")),
]

# An option of the model's own with a letter too many or too few, and what it should have been.
MISSPELT = {
    "alexnet": ("local_response_nrm", "local_response_norm"),
    "smallnet": ("widht", "width"),
}


def build(name, *, is_whole=False, **options):
    """The net of that name, with few blocks unless it is to be whole."""
    twin = {"is_plain": True} if name in PLAIN else {}
    depth = {} if is_whole else SHORT.get(name, {})
    options = {**OPTIONS.get(name, {}), **depth, **twin, **options}
    with tf.Graph().as_default():
        return model_class(PLAIN.get(name, name))(SMALLEST.get(name, SMALL), 3, **options)


class TestContract:
    @pytest.mark.parametrize(("name", "precision"), QUICK)
    def test_builds_trains_saves_restores_and_predicts(self, name, precision, session, tmp_path):
        self.check(name, session, tmp_path, precision=precision)

    @pytest.mark.long
    @pytest.mark.parametrize("name", [*MODELS, *PLAIN])
    def test_so_does_every_net_in_its_whole_depth(self, name, session, tmp_path):
        self.check(name, session, tmp_path, is_whole=True)

    def check(self, name, session, tmp_path, **options):
        model = build(name, **options)
        height, _, channels = model.input_shape
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (5, height + 2, height + 2, channels), np.uint8)
        dataset = DataSet(images, np.eye(3)[[0, 1, 2, 0, 1]], crop_size=height)
        with model.graph.as_default():
            # clipped: the last norms of a deep net see five values each here, and its gradients are huge
            gradients, _ = tf.clip_by_global_norm(tf.gradients(model.loss, model.trainable_variables), 1.0)
            update = v1.train.GradientDescentOptimizer(0.01).apply_gradients(
                zip(gradients, model.trainable_variables, strict=True)
            )
            sess = session(model)
            sess.run(v1.global_variables_initializer())
            loss, _, _ = sess.run(
                [model.loss, update, model.update_ops], model.feed(*dataset.next_batch(5), is_train=True)
            )
            v1.train.Saver().save(sess, str(tmp_path / "model.ckpt"), write_meta_graph=False)
        pred = model.predict(sess, dataset, batch_size=4)

        assert np.isfinite(loss)
        assert model.pred.dtype == model.logits.dtype == tf.float32
        assert all(v.dtype.base_dtype == tf.float32 for v in model.variables)
        assert pred.shape == (5, 3)
        np.testing.assert_allclose(pred.sum(axis=1), 1, rtol=1e-5)
        again = build(name, seed=9, **options)
        sess = session(again)
        restore(sess, again.variables, tmp_path)
        np.testing.assert_array_equal(again.predict(sess, dataset, batch_size=4), pred)

    @pytest.mark.parametrize("name", ["alexnet", "smallnet", "resnet50", "mini-resnet"])
    def test_unknown_option_is_an_error_with_a_suggestion(self, name):
        misspelt, option = MISSPELT.get(name, ("shortcutt", "shortcut"))
        with pytest.raises(TypeError, match=f"'{misspelt}'; did you mean '{option}'"):
            build(name, **{misspelt: 1})
        with pytest.raises(TypeError, match="'weight_decayy'; did you mean 'weight_decay'"):
            build(name, weight_decayy=0.1)

    @pytest.mark.parametrize("name", ["alexnet", "smallnet", "resnet18", "mini-resnet"])
    def test_options_of_other_parts_are_passed_over(self, name):
        build(name, batch_size=256, learning_rate_patience=30, augment_pred=True)


def test_alexnet_has_the_parameters_of_the_post():
    with tf.Graph().as_default():
        model = AlexNet([227, 227, 3], 2)
    assert model.num_parameters == 58_289_538
    shapes = {v.op.name: tuple(v.shape) for v in model.trainable_variables}
    assert shapes["conv1/weights"] == (11, 11, 3, 96)
    assert shapes["fc6/weights"] == (6 * 6 * 256, 4096)
    assert tuple(model.d["pool5"].shape[1:]) == (6, 6, 256)
    assert len(shapes) == 16


def test_alexnet_initial_values_of_the_post(session):
    with tf.Graph().as_default():
        model = AlexNet([67, 67, 3], 2)
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    values = sess.run({v.op.name: v for v in model.trainable_variables})
    deviations = {"conv2": 0.01, "conv5": 0.01, "fc7": 0.005, "fc8": 0.01}
    biases = {
        "conv1": 0,
        "conv2": 0.1,
        "conv3": 0,
        "conv4": 0.1,
        "conv5": 0.1,
        "fc6": 0.1,
        "fc7": 0.1,
        "fc8": 0,
    }
    for layer, deviation in deviations.items():
        assert values[f"{layer}/weights"].std() == pytest.approx(deviation, rel=0.05)
    for layer, value in biases.items():
        np.testing.assert_array_equal(values[f"{layer}/biases"], np.float32(value))


def test_the_dropout_of_fc7_reaches_the_output():
    with tf.Graph().as_default() as graph:
        model = AlexNet([67, 67, 3], 2, dropout_prob=0.5)
    product = next(op for op in graph.get_operations() if op.name == "fc8/MatMul")
    assert product.inputs[0] is model.d["drop7"]
    assert model.d["drop7"] is not model.d["relu7"]


def test_smallnet_is_the_example_of_a_short_subclass():
    with tf.Graph().as_default():
        model = SmallNet([28, 28, 1], 10)
    stem = 3 * 3 * 1 * 32 + 2 * 32
    blocks = sum(9 * a * b + 2 * b + 9 * b * b + 2 * b for a, b in ((32, 32), (32, 64), (64, 128)))
    assert model.num_parameters == stem + blocks + 128 * 10 + 10


class TestPreprocessing:
    def test_uint8_images_and_the_same_as_floats_give_the_same(self, session):
        model = tiny_model(image_mean=[0.4, 0.5, 0.6])
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        images = np.random.default_rng(0).integers(0, 256, (3, 10, 10, 3), np.uint8)
        inputs = sess.run(model.inputs, model.feed(images))
        np.testing.assert_allclose(inputs, images / 255 - [0.4, 0.5, 0.6], atol=1e-6)
        floats = sess.run(model.inputs, {model.X: images / 255})
        np.testing.assert_allclose(floats, inputs, atol=1e-6)

    def test_a_mean_in_pixel_levels_is_scaled(self, session):
        model = tiny_model(image_mean=np.array([102.0, 127.5, 153.0]))
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        mean = next(v for v in model.variables if v.op.name == "preprocessing/mean")
        np.testing.assert_allclose(sess.run(mean), [0.4, 0.5, 0.6], rtol=1e-6)
        assert "preprocessing/mean" not in {v.op.name for v in model.trainable_variables}


class TestPredict:
    @pytest.mark.parametrize("num_images", [1, 7, 8, 9])
    @pytest.mark.parametrize("augment_pred", [True, False])
    def test_any_size_beside_the_batch_in_the_order_of_the_set(self, num_images, augment_pred, session):
        model = tiny_model()
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        dataset = make_set(num_images)
        pred = model.predict(sess, dataset, batch_size=8, augment_pred=augment_pred)
        one_by_one = [
            model.predict(sess, dataset.subset([i]), batch_size=8, augment_pred=augment_pred)[0]
            for i in range(num_images)
        ]
        np.testing.assert_allclose(pred, one_by_one, rtol=1e-5)

    def test_ten_crops_are_averaged_and_batches_respected(self, session, monkeypatch):
        model = tiny_model()
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        dataset = make_set(3)
        crops = corner_center_crop_reflect(dataset.images, 10)  # (3, 10, 10, 10, 3)
        expected = [sess.run(model.pred, model.feed(image)).mean(axis=0) for image in crops]
        fed = []
        feed = model.feed
        monkeypatch.setattr(model, "feed", lambda images: fed.append(len(images)) or feed(images))
        np.testing.assert_allclose(model.predict(sess, dataset, batch_size=4), expected, rtol=1e-5)
        assert max(fed) <= 4
        assert sum(fed) == 30

    def test_empty_set(self, session):
        model = tiny_model()

        class Empty:
            num_examples = 0

        assert model.predict(session(model), Empty()).shape == (0, 2)

    def test_the_training_cursor_stays(self, session):
        model = tiny_model()
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        dataset = make_set(10)
        dataset.next_batch(3)
        before = dataset.cursor
        model.predict(sess, dataset, batch_size=4)
        assert dataset.cursor == before

    def test_unknown_option(self, session):
        model = tiny_model()
        with pytest.raises(TypeError, match="'batchsize'; did you mean 'batch_size'"):
            model.predict(session(model), make_set(2), batchsize=3)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda net: None, "must return a dict with 'logits', .* Wrong's gave NoneType"),
        (lambda net: net.inputs, "must return a dict with 'logits', .* Wrong's gave .*Tensor"),
        (lambda net: {"pred": net.inputs}, "must return a dict with 'logits', .* gave .*pred"),
        (lambda net: {"logits": net.inputs}, r"have the shape .*; it must be \(None, 2\)"),
        (
            lambda net: {"logits": net.inputs[:, 0, 0]},
            r"have the shape \((None|\?), 3\); it must be \(None, 2\)",
        ),
    ],
)
def test_what_build_model_must_return_is_said(output, message):
    class Wrong(ConvNet):
        def _build_model(self):
            return output(self)

    with tf.Graph().as_default(), pytest.raises((TypeError, ValueError), match=message):
        Wrong((10, 10, 3), 2)


class TestLoss:
    def value(self, session, **options):
        model = tiny_model(**options)
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        images, labels = make_set(6).next_batch(6, augment=False)
        data_loss = model.graph.get_tensor_by_name("data_loss:0")
        fetches = [model.loss, data_loss, model.pred, model.decayed_variables]
        return model, labels, *sess.run(fetches, model.feed(images, labels))

    def test_cross_entropy_plus_l2_of_everything_trained_as_in_the_post(self, session):
        _, labels, loss, data_loss, pred, variables = self.value(session, weight_decay=0.1)
        entropy = -np.log(pred[labels.astype(bool)]).mean()
        assert data_loss == pytest.approx(entropy, rel=1e-5)
        squares = sum((v.astype(np.float64) ** 2).sum() for v in variables)
        assert loss == pytest.approx(entropy + 0.1 * squares / 2, rel=1e-5)
        assert len(variables) == 6

    def test_decay_on_weights_only(self, session):
        model, *_ = self.value(session, weight_decay=0.1, weight_decay_on="weights")
        assert {v.op.name for v in model.decayed_variables} == {"conv1/weights", "fc/weights"}

    def test_another_word_is_an_error(self):
        with pytest.raises(ValueError, match="must be one of all, weights"):
            tiny_model(weight_decay_on="kernels")


def test_a_subclass_in_the_way_of_the_post_keeps_working(session):
    class PostNet(ConvNet):
        def _build_model(self, **kwargs):
            keep_prob = tf.cond(self.is_train, lambda: 1.0 - kwargs.pop("dropout_prob", 0.0), lambda: 1.0)
            x = tf.reshape(self.X - kwargs.pop("image_mean", 0.0), [-1, 300])
            with v1.variable_scope("fc"):
                weights = v1.get_variable("weights", [300, 2], tf.float32, v1.zeros_initializer())
            d = {"logits": tf.matmul(x, weights) * keep_prob}
            d["pred"] = tf.nn.softmax(d["logits"])
            return d

        def _build_loss(self, **kwargs):
            decay = kwargs.pop("weight_decay", 0.0005)
            penalty = tf.add_n([tf.nn.l2_loss(v) for v in v1.trainable_variables()])
            losses = tf.nn.softmax_cross_entropy_with_logits(labels=self.y, logits=self.logits)
            return tf.reduce_mean(losses) + decay * penalty

    with tf.Graph().as_default():
        model = PostNet([10, 10, 3], 2, dropout_prob=0.5, image_mean=0.5, weight_decay=0.01, batch_size=4)
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    # a softmax takes an exponential and a reciprocal, which kernels round differently: to 0.49999994, one place off
    np.testing.assert_allclose(model.predict(sess, make_set(3)), np.full((3, 2), 0.5), rtol=1e-6)


def test_two_models_live_side_by_side(session):
    first, second = tiny_model(seed=1), tiny_model(seed=2)
    assert first.graph is not second.graph
    assert not {id(v) for v in first.variables} & {id(v) for v in second.variables}
