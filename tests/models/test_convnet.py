"""models/convnet.py: preprocessing, prediction and the loss."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.augment.windows import corner_center_crop_reflect
from models.nn import ConvNet, SmallNet
from tests.conftest import make_set, tiny_model


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


class TestCompute:
    @pytest.fixture
    def ready(self, session):
        with tf.Graph().as_default():
            model = SmallNet((10, 10, 3), 2, width=2)
        sess = session(model)
        with model.graph.as_default():
            sess.run(v1.global_variables_initializer())
        return model, sess

    def test_a_tensor_of_every_image_in_order_for_any_batch_size(self, ready):
        model, sess = ready
        dataset = make_set(7)
        expected = sess.run(
            model.d["features"], model.feed(dataset.images[:, 1:11, 1:11])
        )  # the centre crops
        seen = []
        for batch_size in (3, 7, 100):
            found = model.compute(
                sess, "features", dataset, batch_size=batch_size, progress=lambda s: seen.append(s) or s
            )
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert [len(chunks) for chunks in seen] == [3, 1, 1]
        assert dataset.cursor == {"epochs_completed": 0, "index_in_epoch": 0}

    def test_many_images_through_the_folded_copy(self, ready):
        model, sess = ready
        dataset = make_set(70)
        expected = sess.run(model.d["features"], model.feed(dataset.images[:, 1:11, 1:11]))
        np.testing.assert_allclose(model.compute(sess, "features", dataset), expected, rtol=1e-4, atol=1e-5)
        assert model._frozen.pred is not None

    def test_the_mean_over_crops_of_a_tensor_with_more_axes(self, ready):
        model, sess = ready
        dataset = make_set(2)
        crops = corner_center_crop_reflect(dataset.images, 10)
        expected = [sess.run(model.d["block1"], model.feed(image)).mean(axis=0) for image in crops]
        found = model.compute(sess, "block1", dataset, augment_pred=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    def test_an_array_and_no_images(self, ready):
        model, sess = ready
        images = make_set(3).images[:, :10, :10]
        expected = sess.run(model.logits, model.feed(images))
        np.testing.assert_allclose(model.compute(sess, "logits", images), expected, rtol=1e-5, atol=1e-6)
        assert model.compute(sess, "features", images[:0]).shape == (0, 8)

    def test_an_unknown_name_is_an_error_with_a_suggestion(self, ready):
        model, sess = ready
        with pytest.raises(ValueError, match="SmallNet has no tensor 'feature'; did you mean 'features'"):
            model.compute(sess, "feature", make_set(2))


class TestPredict:
    @pytest.mark.parametrize("num_images", [1, 7, 8, 9])
    @pytest.mark.parametrize("augment_pred", [True, False])
    def test_predictions_follow_the_order_of_the_set_for_any_batch_size(
        self, num_images, augment_pred, session
    ):
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
def test_the_error_says_what_build_model_must_return(output, message):
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

    def test_labels_are_smoothed(self, session):
        _, labels, _, data_loss, pred, _ = self.value(session, label_smoothing=0.2)
        smoothed = np.where(labels, 0.9, 0.1)  # (1 - 0.2) + 0.2 / 2 and 0.2 / 2
        assert data_loss == pytest.approx(-(smoothed * np.log(pred)).sum(axis=1).mean(), rel=1e-5)

    def test_another_word_is_an_error(self):
        with pytest.raises(ValueError, match="must be one of all, weights"):
            tiny_model(weight_decay_on="kernels")


def test_a_subclass_written_as_in_the_post_works(session):
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


@pytest.mark.parametrize("shape", [(3, 5), (3, 1)])
def test_a_matrix_that_is_neither_images_nor_features_is_refused(shape):
    matrix = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match=r"have the shape \(3, .\); TinyNet takes images \(N, 10, 10, 3\)$"):
        tiny_model().feed(matrix)
    with tf.Graph().as_default():
        model = SmallNet((8, 8, 3), 2, width=2)
    depth = int(model.d["features"].shape[-1])
    with pytest.raises(ValueError, match=rf"takes images \(N, 8, 8, 3\) or features \(N, {depth}\)$"):
        model.feed(matrix)
    features = np.zeros((3, depth), np.float32)
    assert model.feed(features)[model.d["features"]] is features


@pytest.mark.parametrize("batch_size", ["auto", 0])
def test_predicting_needs_a_number_of_images(session, batch_size):
    model = tiny_model()
    with pytest.raises(
        ValueError, match=f"batch_size is {batch_size!r}; it must be a positive number of images"
    ):
        model.predict(session(model), np.zeros((1, 10, 10, 3), np.uint8), batch_size=batch_size)
