"""learning/evaluation/mirroring.py: finds out whether left and right matter in the images."""

import numpy as np
import pytest
import tensorflow as tf

from datasets.dataset import DataSet
from learning.evaluation.evaluate import evaluate
from learning.evaluation.mirroring import MIN_DROP, MIN_Z, compare, halves, mirroring_hint
from learning.reports.scores import score_lines
from models.nn import ConvNet
from tests.conftest import make_set, tiny_model


class LeftIsBright(ConvNet):
    """Predicts class 1 for images brighter on the left, class 0 for those brighter on the right, untrained."""

    def _build_model(self):
        columns = tf.reduce_mean(self.inputs, axis=[1, 3])  # (N, w)
        half = self.input_shape[1] // 2
        difference = tf.reduce_mean(columns[:, :half], 1) - tf.reduce_mean(columns[:, -half:], 1)
        return {"logits": 40 * tf.stack([-difference, difference], axis=1)}


def arrows(count=40, *, size=12, **options):
    """Return images that are bright on the right (class 0) or on the left (class 1)."""
    images, labels = np.full((count, size, size, 3), 60, np.uint8), np.arange(count) % 2
    images[labels == 0, :, size // 2 :] = images[labels == 1, :, : size // 2] = 200
    return DataSet(images, np.eye(2, dtype=np.uint8)[labels], crop_size=10, **options)


def initialized(session, model):
    """A session with the model's initial values."""
    sess = session(model)
    with model.graph.as_default():
        sess.run(tf.compat.v1.global_variables_initializer())
    return sess


def results_of(session, dataset):
    with tf.Graph().as_default():
        model = LeftIsBright((10, 10, 3), 2)
    sess = initialized(session, model)
    results, _ = evaluate(sess, model, dataset, evaluator="accuracy", batch_size=16)
    return {**results, "split": "test", "epoch": 1}


def test_images_with_a_left_and_a_right_get_a_hint(session):
    results = results_of(session, arrows())
    assert results["scores"][0]["accuracy"] == 1.0
    assert results["mirroring"]["plain"] == 1.0
    assert results["mirroring"]["mirrored"] == 0.0
    assert results["mirroring"]["z"] == pytest.approx(40**0.5)
    hint = score_lines(results)[-1]
    assert hint.startswith("mirrored crops have an accuracy of 0.0000, the others 1.0000")
    assert hint.endswith("train with --data.reflect false")


@pytest.mark.parametrize(
    "options", [{"reflect": False}, {"count": 6}], ids=["nothing mirrored", "too few to tell"]
)
def test_no_hint(session, options):
    results = results_of(session, arrows(**options))
    assert mirroring_hint(results) is None
    assert (results["mirroring"] is None) == ("reflect" in options)
    assert not any("mirrored" in line for line in score_lines(results))


def test_earlier_results_have_no_hint():
    assert mirroring_hint({"scores": []}) is None


@pytest.mark.parametrize("crop", [10, 12], ids=["ten crops", "two crops"])
def test_both_halves_together_are_all_crops(session, crop):
    dataset = make_set(7, crop=crop)
    plain, mirrored = halves(dataset)
    indices = np.array([4, 0, 6])
    together = np.concatenate([half.batch(indices, augment=True)[0] for half in (plain, mirrored)], axis=1)
    np.testing.assert_array_equal(together, dataset.batch(indices, augment=True)[0])
    assert plain.num_crops == mirrored.num_crops == dataset.num_crops // 2


def test_labels_can_be_class_numbers(session):
    one_hot_set = arrows(reflect=True)
    numbers = DataSet(one_hot_set.images, np.argmax(one_hot_set.labels, axis=1), crop_size=10)
    with tf.Graph().as_default():
        model = LeftIsBright((10, 10, 3), 2)
    sess = initialized(session, model)
    found, expected = (
        evaluate(sess, model, dataset, evaluator="accuracy", batch_size=16).results
        for dataset in (numbers, one_hot_set)
    )
    assert found["confusion_matrix"] == expected["confusion_matrix"]
    assert found["mirroring"] == expected["mirroring"]


def test_the_halves_of_float_images_are_not_checked_again(monkeypatch):
    whole = DataSet(np.random.default_rng(0).random((5, 8, 8, 3)), crop_size=6)
    monkeypatch.setattr(DataSet, "_check_images", lambda self: pytest.fail("the pixels were checked before"))
    plain, mirrored = halves(whole)
    assert (plain.num_crops, mirrored.num_crops, whole.num_crops) == (5, 5, 10)
    assert whole.crops.reflect


def test_the_score_of_both_halves_is_that_of_all_crops(session):
    model, dataset = tiny_model(), make_set(30)
    sess = initialized(session, model)
    pred = model.predict(sess, dataset, augment_pred=True)
    one, two = (model.predict(sess, half, augment_pred=True) for half in halves(dataset))
    np.testing.assert_allclose((one + two) / 2, pred, rtol=1e-5)


def one_hot(classes):
    return np.eye(2)[classes]


def test_compare_is_mcnemars_test():
    # 100 images of class 0: 60 right in both, 25 only plain, 9 only mirrored, 6 in neither
    plain = one_hot([0] * 60 + [0] * 25 + [1] * 9 + [1] * 6)
    mirrored = one_hot([0] * 60 + [1] * 25 + [0] * 9 + [1] * 6)
    found = compare(np.zeros(100, int), plain, mirrored)
    assert found == {"plain": 0.85, "mirrored": 0.69, "z": pytest.approx(16 / 34**0.5)}
    assert mirroring_hint({"mirroring": found}) is None  # z is 2.7
    assert compare(np.zeros(100, int), plain, plain)["z"] == 0.0


@pytest.mark.parametrize(
    ("plain", "mirrored", "z", "is_told"),
    [
        (0.9, 0.9 - 1.1 * MIN_DROP, MIN_Z + 0.1, True),
        (0.9, 0.9 - 0.9 * MIN_DROP, MIN_Z + 9, False),
        (0.9, 0.5, MIN_Z - 0.1, False),
        (0.5, 0.9, -9.0, False),
    ],
)
def test_a_drop_counts_if_it_is_large_and_not_by_chance(plain, mirrored, z, is_told):
    hint = mirroring_hint({"mirroring": {"plain": plain, "mirrored": mirrored, "z": z}})
    assert (hint is not None) == is_told
