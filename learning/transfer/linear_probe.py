"""Fit the last layer of a network to the features of its other layers, before all of it is trained.

Source: Kumar et al. 2022 (arXiv 2202.10054): fine-tuning from a fitted last layer distorts the features less than
from a random one. Here the fit is a logistic regression on the centre crops, by scikit-learn.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split

from datasets.dataset import DataSet
from learning.errors import UsageError
from learning.evaluators import class_indices
from models.convnet import ConvNet

FEATURES = "features"  # the tensor of `model.d` that the last layer reads
STRENGTHS = (0.01, 0.1, 1.0)  # inverse of the regularisation; the middle one for fewer images than FEWEST
FOLDS, FEWEST = 5, 10  # images of each class
MOST = 2000  # images of the cross-validation: with more, the strength makes little difference
MAX_ITERATIONS = 1000


def check_head(model: ConvNet) -> tuple[tf.Variable, tf.Variable]:
    """Return weights (D, K) and biases (K,) of the last layer.

    :raises UsageError: the network has no tensor `features` (N, D), or another last layer.
    """
    of_head = {
        v.op.name.rpartition("/")[2]: v for v in model.variables if v.op.name.startswith(f"{model.head}/")
    }
    features, name = model.d.get(FEATURES), type(model).__name__
    if features is None or features.shape.rank != 2:
        raise UsageError(
            f"train.linear_probe needs d['{FEATURES}'], (N, D), what the last layer reads; add it to the dict that "
            f"_build_model of {name} returns, or set --train.linear_probe false"
        )
    depth, num_classes = int(features.shape[-1]), model.num_classes
    shapes = {leaf: v.shape.as_list() for leaf, v in of_head.items()}
    if shapes != {"weights": [depth, num_classes], "biases": [num_classes]}:
        raise UsageError(
            f"train.linear_probe fits weights ({depth}, {num_classes}) and biases ({num_classes},) "
            f"in the scope {model.head!r}; {name} has {shapes}; set --train.linear_probe false"
        )
    return of_head["weights"], of_head["biases"]


def fit_head(
    sess: v1.Session,
    model: ConvNet,
    train_set: DataSet,
    *,
    batch_size: int,
    balanced: bool = False,
    progress: Callable[[Sequence[int]], Iterable[int]] | None = None,
) -> str:
    """Fit the last layer to the centre crops of a training set, and return a sentence about the result.

    The strength of the regularisation is chosen by cross-validation of the training images.

    :param balanced: give every class the same weight, however many images it has; the score is then the balanced
        accuracy.
    :raises UsageError: see `check_head`.
    """
    weights, biases = check_head(model)
    features = model.compute(sess, FEATURES, train_set, batch_size=batch_size, progress=progress)
    labels = class_indices(train_set.labels, model.num_classes)
    if len(np.unique(labels)) < model.num_classes:
        raise UsageError("train.linear_probe needs an image of every class in the training set; leave it out")
    class_weight = "balanced" if balanced else None
    strength, score = _choose(features, labels, class_weight)
    fitted = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS, class_weight=class_weight)
    fitted.fit(features, labels)
    kernel, bias = fitted.coef_.T, fitted.intercept_  # (D, K), or (D, 1) of two classes
    if kernel.shape[1] == 1:
        kernel, bias = np.hstack([-kernel / 2, kernel / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    for variable, value in ((weights, kernel), (biases, bias)):
        sess.run(variable.initializer, {variable.initializer.inputs[1]: value.astype(np.float32)})
    metric = "balanced accuracy" if balanced else "accuracy"
    accuracy = "" if score is None else f", {metric} {score:.4f} by cross-validation"
    return f"last layer fitted to the features of {len(labels)} images{accuracy}"


def _choose(features: np.ndarray, labels: np.ndarray, class_weight: str | None) -> tuple[float, float | None]:
    """Return the best strength, and its score; without a choice for very few images."""
    middle = STRENGTHS[len(STRENGTHS) // 2]
    if np.bincount(labels).min() < FEWEST:
        return middle, None
    if len(labels) > MOST:
        features, _, labels, _ = train_test_split(
            features, labels, train_size=MOST, stratify=labels, random_state=0
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scoring = "balanced_accuracy" if class_weight else "accuracy"
    scores: dict[float, float] = {}
    for strength in STRENGTHS:
        regression: Any = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS, class_weight=class_weight)
        found = cross_val_score(regression, features, labels, cv=folds, scoring=scoring)
        scores[strength] = float(np.mean(found))
    best = max(scores, key=lambda strength: (scores[strength], strength == middle))
    return best, scores[best]
