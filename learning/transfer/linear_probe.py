"""Fit the last layer of a network to the features of its other layers, before all of it is trained.

Source: Kumar et al. 2022 (arXiv 2202.10054): fine-tuning from a fitted last layer distorts the features less than
from a random one. Here scikit-learn fits a logistic regression to the centre crops and, if training mirrors a small
set, to their mirror images.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from datasets.dataset import DataSet
from learning.errors import UsageError
from learning.evaluation.mirroring import halves
from learning.evaluators import class_indices
from models.convnet import ConvNet
from models.weights.load import assign, is_within

FEATURES = "features"  # the tensor of `model.d` that the last layer reads
STRENGTHS = (0.01, 0.1, 1.0)  # inverse of the regularisation; the middle one for fewer images than FEWEST
FOLDS = 5  # of the cross-validation
FEWEST = 10  # images of each class that a cross-validation needs
MOST = 2000  # images of the cross-validation, and of a set that is mirrored: beyond it both change little
MAX_ITERATIONS = 1000


def check_head(model: ConvNet) -> tuple[tf.Variable, tf.Variable]:
    """Return weights (D, K) and biases (K,) of the last layer.

    :raises UsageError: the network has no tensor `features` (N, D), or another last layer.
    """
    of_head = {v.op.name.rpartition("/")[2]: v for v in model.variables if is_within(v.op.name, model.head)}
    features, name = model.d.get(FEATURES), type(model).__name__
    if features is None or features.shape.rank != 2:
        raise UsageError(
            f"train.linear_probe needs d['{FEATURES}'], (N, D), the input of the last layer; add it to the dict "
            f"that _build_model of {name} returns, or set --train.linear_probe false"
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
    mirror: bool = False,
    progress: Callable[[Sequence[int]], Iterable[int]] | None = None,
) -> str:
    """Fit the last layer to the centre crops of a training set, and return a sentence about the result.

    The strength of the regularisation is chosen by cross-validation of the training images, or of `MOST` of them.

    :param balanced: give every class the same weight, however many images it has; the score is then the balanced
        accuracy.
    :param mirror: fit to the mirror image of each crop as well, if there are at most `MOST` images.
    :raises UsageError: a class has no images; see also `check_head`.
    """
    weights, biases = check_head(model)
    labels = class_indices(train_set.labels, model.num_classes)
    missing = np.flatnonzero(np.bincount(labels, minlength=model.num_classes) == 0)
    if len(missing):
        name = missing[0] if train_set.class_names is None else train_set.class_names[missing[0]]
        raise UsageError(
            f"train.linear_probe needs training images of every class, and {name} has none; add some, or set "
            "--train.linear_probe false"
        )
    views = [train_set, halves(train_set)[1]] if mirror and len(labels) <= MOST else [train_set]
    compute = partial(model.compute, sess, FEATURES, batch_size=batch_size, progress=progress)
    features = np.stack([compute(view) for view in views])  # (V, N, D)
    features = features.astype(np.float32, copy=False)  # bfloat16 is not a type of NumPy's
    # Threads that wait for each other would take most of the time of such small products.
    with threadpool_limits(1):
        strength, score = _choose(features, labels, balanced)
        fitted = _fitted(strength, features, labels, balanced)
    kernel, bias = fitted.coef_.T, fitted.intercept_  # (D, K), or (D, 1) of two classes
    if kernel.shape[1] == 1:
        kernel, bias = np.hstack([-kernel / 2, kernel / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    assign(sess, {"weights": weights, "biases": biases}, {"weights": kernel, "biases": bias})
    metric = "balanced accuracy" if balanced else "accuracy"
    sampled = len(_sample(labels))
    of = f" of {sampled} of them" if sampled < len(labels) else ""
    accuracy = "" if score is None else f", {metric} {score:.4f} by cross-validation{of}"
    return f"last layer fitted to the features of {len(labels)} images{accuracy}"


def _fitted(strength: float, features: np.ndarray, labels: np.ndarray, balanced: bool) -> LogisticRegression:
    """Return a logistic regression of the views (V, N, D) of N images, which have the weight of one view together.

    One that has almost converged is good enough to start from.
    """
    count, _, depth = features.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weight = "balanced" if balanced else None
        regression = LogisticRegression(C=strength / count, max_iter=MAX_ITERATIONS, class_weight=weight)
        return regression.fit(features.reshape(-1, depth), np.tile(labels, count))


def _choose(features: np.ndarray, labels: np.ndarray, balanced: bool = False) -> tuple[float, float | None]:
    """Return the best strength, and its score by the first view; without a choice for very few images."""
    middle = STRENGTHS[len(STRENGTHS) // 2]
    if np.bincount(labels).min() < FEWEST:
        return middle, None
    chosen = _sample(labels)
    features, labels = features[:, chosen], labels[chosen]
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels))
    scorer = get_scorer("balanced_accuracy" if balanced else "accuracy")
    scores = {
        strength: float(np.mean([
            scorer(_fitted(strength, features[:, rest], labels[rest], balanced), features[0, fold], labels[fold])
            for rest, fold in folds
        ]))
        for strength in STRENGTHS
    }  # fmt: skip
    best = max(scores, key=lambda strength: (scores[strength], strength == middle))
    return best, scores[best]


def _sample(labels: np.ndarray) -> np.ndarray:
    """Return the rows of the cross-validation: about MOST of them, but at least FEWEST of each class."""
    order = np.random.default_rng(0).permutation(len(labels))
    most = max(FEWEST, MOST // (int(labels.max()) + 1))  # of each class
    return np.concatenate([order[labels[order] == k][:most] for k in np.unique(labels)])
