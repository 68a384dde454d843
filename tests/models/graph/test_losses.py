import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.losses import cross_entropy

LOGITS = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], np.float32))
LABELS = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
WEIGHTS = [0.5, 3.0, 2.0]


def losses(labels=LABELS, logits=LOGITS, **options):
    """Return the losses (N,), and the variables that they have."""
    with tf.Graph().as_default(), v1.Session() as sess:
        value = cross_entropy(tf.constant(labels), tf.constant(logits), **options)
        sess.run(v1.global_variables_initializer())
        assert not v1.trainable_variables()
        return sess.run(value), v1.global_variables()


def test_the_loss_is_the_logarithm_of_the_true_class_by_default():
    found, variables = losses()
    np.testing.assert_allclose(found, -np.log([0.5, 0.1]), rtol=1e-6)
    assert variables == []


def test_smoothed_labels_worked_out_by_hand():
    found, _ = losses(label_smoothing=0.3)  # of every class 0.1, and 0.7 more of the true one
    expected = [
        0.8 * np.log(0.5) + 0.2 * np.log(0.25),
        0.8 * np.log(0.1) + 0.1 * np.log(0.1) + 0.1 * np.log(0.8),
    ]
    np.testing.assert_allclose(found, -np.array(expected), rtol=1e-6)


def test_smoothing_is_that_of_pytorch():
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(20, 5)).astype(np.float32), rng.integers(0, 5, 20)
    found, _ = losses(np.eye(5, dtype=np.float32)[classes], logits, label_smoothing=0.1)
    given = torch.tensor(logits), torch.tensor(classes)
    expected = functional.cross_entropy(*given, label_smoothing=0.1, reduction="none")
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_each_image_has_the_weight_of_its_class():
    found, [variable] = losses(class_weights=WEIGHTS)
    np.testing.assert_allclose(found, -np.log([0.5, 0.1]) * [0.5, 2.0], rtol=1e-6)
    assert variable.op.name == "loss/class_weights"


def test_shares_of_classes_have_the_shares_of_their_weights():
    labels = np.array([[0.5, 0.25, 0.25]], np.float32)
    found, _ = losses(labels, LOGITS[:1], class_weights=WEIGHTS)
    entropy = -(labels * np.log(labels)).sum()
    np.testing.assert_allclose(found, entropy * (0.5 * 0.5 + 0.25 * 3 + 0.25 * 2), rtol=1e-6)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_impossible_smoothing_is_an_error(value):
    with pytest.raises(ValueError, match=f"label_smoothing is {value}; it must be at least 0 and below 1"):
        losses(label_smoothing=value)


@pytest.mark.parametrize("value", [[1.0, 2.0], [1, 1, 0], [1, 1, float("inf")], "balanced", 3.0])
def test_impossible_weights_are_an_error(value):
    with pytest.raises(ValueError, match="class_weights is .*; it must be 3 positive numbers, one for each"):
        losses(class_weights=value)
