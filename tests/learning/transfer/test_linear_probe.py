"""learning/transfer/linear_probe.py: the last layer is scikit-learn's logistic regression on the features."""

import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from datasets.dataset import DataSet
from learning.errors import UsageError
from learning.transfer import linear_probe
from learning.transfer.linear_probe import FEWEST, MOST, STRENGTHS, _choose, _sample, check_head, fit_head
from models.layers import fc_layer, global_average_pool
from models.nn import ConvNet, SmallNet
from tests.conftest import TinyNet, make_set, tf, v1


@functools.cache
def small_net(num_classes, precision="float32"):
    with tf.Graph().as_default():
        return SmallNet((10, 10, 3), num_classes, width=2, dropout_prob=0.5, precision=precision)


def started(session, model):
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    return sess


def head(sess, model):
    return sess.run(list(check_head(model)))


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_predictions_are_those_of_the_regression(num_classes, session):
    model = small_net(num_classes)
    sess = started(session, model)
    train_set, test_set = make_set(24, num_classes=num_classes), make_set(9, num_classes=num_classes, seed=1)
    sentence = fit_head(sess, model, train_set, batch_size=16)
    features, others = (model.compute(sess, "features", part) for part in (train_set, test_set))
    labels = train_set.labels.argmax(axis=1)
    strength, score = _choose(features[np.newaxis], labels)
    chosen = "" if score is None else f", accuracy {score:.4f} by cross-validation"
    assert sentence == f"last layer fitted to the features of 24 images{chosen}"
    assert (score is None) == (num_classes == 3)  # 8 images of each class are too few for a choice
    expected = LogisticRegression(C=strength, max_iter=1000).fit(features, labels).predict_proba(others)
    np.testing.assert_allclose(model.predict(sess, test_set, augment_pred=False), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.05


def test_it_is_the_same_every_time_and_changes_the_head_alone(session):
    model = small_net(2)
    sess = started(session, model)
    before = {v.op.name: sess.run(v) for v in model.variables}
    fit_head(sess, model, make_set(30), batch_size=8)
    once = head(sess, model)
    fit_head(sess, model, make_set(30), batch_size=8)
    for one, two in zip(once, head(sess, model), strict=True):
        np.testing.assert_array_equal(one, two)
    after = {v.op.name: sess.run(v) for v in model.variables}
    assert {name for name in after if (after[name] != before[name]).any()} == {"fc/weights", "fc/biases"}


@pytest.mark.bfloat16
def test_features_in_bfloat16(session):
    model = small_net(2, "bfloat16")
    sess = started(session, model)
    assert fit_head(sess, model, make_set(30), batch_size=8).startswith("last layer fitted")


def test_progress_is_shown(session):
    model, seen = small_net(2), []
    fit_head(
        started(session, model), model, make_set(24), batch_size=8, progress=lambda s: seen.append(s) or s
    )
    assert [len(chunks) for chunks in seen] == [3]


def test_mirror_images_are_fitted_too(session):
    model = small_net(2)
    sess = started(session, model)
    train_set = make_set(30)
    mirrored = DataSet(train_set.images[:, :, ::-1], train_set.labels, crop_size=10)
    views = np.stack([model.compute(sess, "features", part) for part in (train_set, mirrored)])  # (2, N, D)
    labels = train_set.labels.argmax(axis=1)
    fit_head(sess, model, train_set, batch_size=16, mirror=True)
    strength, _ = _choose(views, labels)
    expected = LogisticRegression(C=strength / 2, max_iter=1000).fit(
        views.reshape(60, -1), np.tile(labels, 2)
    )
    weights, biases = head(sess, model)
    np.testing.assert_allclose(weights[:, 1] - weights[:, 0], expected.coef_[0], atol=1e-3)
    np.testing.assert_allclose(biases[1] - biases[0], expected.intercept_[0], atol=1e-3)


class TestChoice:
    def test_the_best_strength_is_chosen(self):
        rng = np.random.default_rng(0)
        labels = np.arange(40) % 2
        features = rng.normal(size=(1, 40, 60)).astype(np.float32)
        features[..., 0] += 0.05 * labels
        found, score = _choose(features, labels)
        assert found in STRENGTHS
        assert 0 <= score <= 1
        assert _choose(features, labels) == (found, score)

    def test_equal_scores_give_the_middle_one(self):
        labels = np.arange(40) % 2
        assert _choose(100 * labels[np.newaxis, :, np.newaxis].astype(np.float32), labels) == (
            STRENGTHS[1],
            1.0,
        )

    def test_few_images_of_a_class_leave_no_choice(self):
        labels = np.array([0] * 50 + [1] * (FEWEST - 1))
        assert _choose(np.zeros((1, len(labels), 2), np.float32), labels) == (STRENGTHS[1], None)

    def test_the_sample_has_enough_of_small_classes_and_of_many(self):
        labels = np.array([0] * 30_000 + [1] * FEWEST)
        assert np.bincount(labels[_sample(labels)]).tolist() == [MOST // 2, FEWEST]
        labels = np.repeat(np.arange(1000), 12)
        assert set(np.bincount(labels[_sample(labels)])) == {FEWEST}
        few = np.arange(40) % 2
        assert sorted(_sample(few)) == list(range(40))


class NoBias(ConvNet):
    """A last layer without biases, and features."""

    def _build_model(self):
        d = {"features": global_average_pool(self.inputs)}
        with v1.variable_scope("fc"):
            weights = v1.get_variable("weights", [3, self.num_classes])
        return {**d, "logits": tf.matmul(d["features"], weights)}


class Wide(ConvNet):
    """Features that are not those which the last layer reads."""

    def _build_model(self):
        d = {"features": global_average_pool(self.inputs)}
        with v1.variable_scope("fc"):
            return {**d, "logits": fc_layer(tf.concat([d["features"]] * 2, axis=1), self.num_classes)}


class Maps(Wide):
    """Features with height and width."""

    def _build_model(self):
        return {**super()._build_model(), "features": self.inputs}


class TestErrors:
    @pytest.mark.parametrize(
        ("net", "message"),
        [
            (TinyNet, r"needs d\['features'\], \(N, D\), .* _build_model of TinyNet returns, or set "),
            (Maps, r"needs d\['features'\], \(N, D\)"),
            (
                NoBias,
                r"fits weights \(3, 2\) and biases \(2,\) in the scope 'fc'; NoBias has {'weights': \[3, 2\]}; ",
            ),
            (
                Wide,
                r"fits weights \(3, 2\) .*; Wide has {'weights': \[6, 2\], 'biases': \[2\]}; set --train.linear",
            ),
        ],
    )
    def test_a_network_without_such_a_last_layer(self, net, message):
        with tf.Graph().as_default():
            model = net((10, 10, 3), 2)
        with pytest.raises(UsageError, match=message):
            check_head(model)

    @pytest.mark.parametrize("names", [("cat", "dog", "fox"), None])
    def test_a_class_without_images_is_named(self, names, session):
        model = small_net(3)
        some = make_set(24, num_classes=2)
        labels = np.eye(3)[some.labels.argmax(axis=1)]
        dataset = DataSet(some.images, labels, crop_size=10, class_names=names)
        message = f"every class, and {'fox' if names else '2'} has none; .*--train.linear_probe false"
        with pytest.raises(UsageError, match=message):
            fit_head(started(session, model), model, dataset, batch_size=8)


def test_the_sentence_says_on_how_many_images_the_score_is(session, monkeypatch):
    monkeypatch.setattr(linear_probe, "MOST", 20)
    model = small_net(2)
    sentence = fit_head(started(session, model), model, make_set(60), batch_size=16)
    assert sentence.startswith("last layer fitted to the features of 60 images, accuracy ")
    assert sentence.endswith(" by cross-validation of 20 of them")
