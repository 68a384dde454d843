"""The cross-entropy that training minimises, with smoothed labels and weighted classes."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models.graph.building import constant_variable
from models.options import check


def cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Return the softmax cross-entropy of each image.

    :param labels: float32 (N, K), one-hot or shares that sum to 1.
    :param logits: float32 (N, K).
    :param label_smoothing: e in [0, 1); the labels q become (1 - e) q + e / K. Szegedy et al. 2016, "Rethinking the
        Inception architecture", section 7.
    :param class_weights: K positive numbers, kept in the variable `loss/class_weights`, which is saved but not
        trained. The loss of an image is multiplied by the weight of its class. Its mean over a batch is not divided
        by the mean of the weights, as PyTorch does: there, the weights cancel out in a batch of one class.
    :return: float32 (N,).
    :raises ValueError: an option is out of its range.
    """
    check(0 <= label_smoothing < 1, "label_smoothing", label_smoothing, "at least 0 and below 1")
    num_classes = logits.shape.as_list()[1]
    smoothed = labels
    if label_smoothing:
        smoothed = labels * (1.0 - label_smoothing) + label_smoothing / num_classes
    losses = tf.nn.softmax_cross_entropy_with_logits(labels=smoothed, logits=logits)
    if class_weights is None:
        return losses
    weights = constant_variable("loss/class_weights", _checked(class_weights, num_classes))
    return losses * tf.linalg.matvec(labels, weights)


def _checked(class_weights: Sequence[float], num_classes: int) -> np.ndarray:
    """Return the weights as float32 (K,)."""
    try:
        weights = np.asarray(class_weights, np.float32)
    except ValueError:
        weights = np.empty(0, np.float32)
    holds = weights.shape == (num_classes,) and bool(np.all((weights > 0) & np.isfinite(weights)))
    check(holds, "class_weights", class_weights, f"{num_classes} positive numbers, one for each class")
    return weights
