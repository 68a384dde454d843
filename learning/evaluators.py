"""Score predictions, and decide whether one score is better than another.

The metrics are scikit-learn's. A batch or a set may hold only some of the K classes, so all labels are passed
explicitly: column k of the predictions always means class k, and scikit-learn has no reason to warn.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Literal

import numpy as np

from datasets.errors import shortened

PROBABILITY_TOLERANCE = 1e-3  # of the sum of a row of probabilities; float16 rounding stays below it


def _metrics() -> ModuleType:
    """Import scikit-learn's metrics late, because that takes more than a second."""
    from sklearn import metrics

    return metrics


class Evaluator(ABC):
    """A metric of single-label classification.

    A subclass defines `worst_score`, `mode` and `score`; `is_better` follows from them and may be overridden.
    `check_labels` refuses labels that have no score before training.

    :cvar needs_every_class: there is no score if a class does not occur among the labels.
    """

    needs_every_class = False

    @property
    @abstractmethod
    def worst_score(self) -> float:
        """Return the lowest possible score (with mode 'min' the highest): the best score before the first one."""

    @property
    @abstractmethod
    def mode(self) -> Literal["max", "min"]:
        """Return 'max' if a higher score is better (accuracy), 'min' if a lower one is (error rate)."""

    @property
    def name(self) -> str:
        """Return the class name in snake case without "Evaluator": `MacroF1Evaluator` is 'macro_f1'."""
        stem = type(self).__name__.removesuffix("Evaluator")
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()

    @abstractmethod
    def score(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the score of N predictions.

        :param y_true: (N, K) one-hot of any numeric dtype, or (N,) class indices of an integer dtype.
        :param y_pred: (N, K) float, the probability of each class in [0, 1].
        """

    def check_labels(self, y_true: np.ndarray, class_names: Sequence[str]) -> None:  # noqa: B027
        """Raise ValueError if these labels, as for `score`, have no score. The base class accepts all.

        :param class_names: of all K classes.
        """

    def is_better(self, curr: float, best: float, score_threshold: float = 1e-4) -> bool:
        """Return whether `curr` is better than `best` by more than the fraction `score_threshold` of |best|.

        If `best` is `worst_score`, any gain counts, but a tie does not. A `curr` that is NaN or infinite is never
        better; every finite `curr` is better than a `best` of NaN.

        :raises ValueError: the threshold is negative or NaN.
        """
        if not score_threshold >= 0:
            raise ValueError(f"score_threshold is {score_threshold}; give 0 or a small positive fraction")
        if not math.isfinite(curr):
            return False
        if math.isnan(best):
            return True
        sign = 1.0 if self.mode == "max" else -1.0
        margin = score_threshold * abs(best) if sign * best > sign * self.worst_score else 0.0
        return bool(sign * curr > sign * best + margin)


def class_indices(y_true: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the true classes as indices, (N,) integers.

    :param y_true: (N, K) one-hot of any numeric dtype, or (N,) of an integer dtype in [0, K).
    :param num_classes: K.
    :raises ValueError: another shape, dtype or value.
    """
    if y_true.ndim == 2 and y_true.shape[1] == num_classes:
        if not (np.isin(y_true, (0, 1)).all() and (y_true.sum(axis=1) == 1).all()):
            raise ValueError("y_true is not one-hot; every row needs a single 1 among zeros, or give indices")
        return y_true.argmax(axis=1)  # (N,)
    if y_true.ndim != 1 or not np.issubdtype(y_true.dtype, np.integer):
        raise ValueError(
            f"y_true is {y_true.dtype} of shape {y_true.shape}; give one-hot labels of shape "
            f"(N, {num_classes}) as in y_pred, or integer class indices of shape (N,)"
        )
    if y_true.min() < 0 or y_true.max() >= num_classes:
        raise ValueError(
            f"y_true holds classes {y_true.min()} to {y_true.max()}, y_pred has {num_classes} columns; "
            f"give indices from 0 to {num_classes - 1}"
        )
    return y_true


def _checked(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return class indices (N,) and float64 predictions (N, K). ValueError if they do not fit together."""
    labels, predictions = np.asarray(y_true), np.asarray(y_pred)
    if predictions.ndim != 2 or predictions.shape[1] < 2:
        raise ValueError(
            f"y_pred has shape {predictions.shape}; give (N, K), one column for each of K >= 2 classes"
        )
    if len(predictions) == 0:
        raise ValueError("y_pred is empty; give at least one prediction to score")
    if labels.ndim == 0 or len(labels) != len(predictions):
        raise ValueError(
            f"y_true has shape {labels.shape}, y_pred {predictions.shape}; give one label for each prediction"
        )
    return class_indices(labels, predictions.shape[1]), predictions.astype(np.float64)


class _SklearnEvaluator(Evaluator):
    """A metric of checked arrays; higher is better and 0 the worst, unless a subclass differs."""

    worst_score = 0.0
    mode: Literal["max", "min"] = "max"

    def score(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the score, or NaN, which is never better, if a prediction is NaN or infinite.

        :raises ValueError: the shapes are wrong, there is nothing to score, or labels are outside [0, K).
        """
        labels, predictions = _checked(y_true, y_pred)
        if not np.isfinite(predictions).all():
            return math.nan
        return float(self._score(labels, predictions))

    def check_labels(self, y_true: np.ndarray, class_names: Sequence[str]) -> None:
        """Raise ValueError for wrong labels, or for a missing class that the metric needs."""
        num_classes = len(class_names)
        found = np.unique(class_indices(np.asarray(y_true), num_classes))  # a few stand for all
        self._score(*_checked(found, np.full((len(found), num_classes), 1 / num_classes)))
        if self.needs_every_class and len(found) < num_classes:
            missing = [class_names[k] for k in range(num_classes) if k not in found]
            raise ValueError(
                f"{self.name} needs images of every class, and there are none of {shortened(missing)}; add some, "
                "or choose another evaluator, such as accuracy"
            )

    @abstractmethod
    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        """Return the metric for indices (N,) and finite float64 predictions (N, K)."""


class AccuracyEvaluator(_SklearnEvaluator):
    """The share of examples whose most probable class is the true one, in [0, 1]."""

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        return _metrics().accuracy_score(labels, predictions.argmax(axis=1))


class ErrorRateEvaluator(_SklearnEvaluator):
    """One minus the accuracy, in [0, 1]; lower is better."""

    worst_score = 1.0
    mode = "min"

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        return _metrics().zero_one_loss(labels, predictions.argmax(axis=1))


class TopKAccuracyEvaluator(_SklearnEvaluator):
    """The share of examples whose true class is among the k most probable, in [0, 1].

    Of equally probable classes the higher index counts first, except for k = 1, which is the accuracy.

    :param k: how many classes are looked at, fewer than there are.
    :raises ValueError: k is not a positive integer; from `score`, k is not below the number of classes.
    """

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"k is {k!r}; give a positive integer")
        self.k = k

    @property
    def name(self) -> str:
        return f"top{self.k}_accuracy"

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        num_classes = predictions.shape[1]
        if self.k >= num_classes:
            raise ValueError(
                f"top-{self.k} accuracy of {num_classes} classes is always 1; "
                f"choose k below {num_classes}, or the evaluator 'accuracy'"
            )
        if self.k == 1:  # scikit-learn takes no (N, 2) scores for two classes
            return _metrics().accuracy_score(labels, predictions.argmax(axis=1))
        return _metrics().top_k_accuracy_score(labels, predictions, k=self.k, labels=np.arange(num_classes))


class MacroF1Evaluator(_SklearnEvaluator):
    """The mean over classes of the harmonic mean of precision and recall, in [0, 1].

    A class that is neither among the true nor among the predicted classes has no F1 and is left out of the mean.
    """

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        predicted, classes = predictions.argmax(axis=1), np.arange(predictions.shape[1])
        return _metrics().f1_score(labels, predicted, labels=classes, average="macro", zero_division=np.nan)


class BalancedAccuracyEvaluator(_SklearnEvaluator):
    """The mean recall of the classes that occur in y_true, in [0, 1]: every class has the same weight."""

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        # balanced_accuracy_score returns the same, but warns if a predicted class does not occur
        predicted, classes = predictions.argmax(axis=1), np.unique(labels)
        return _metrics().recall_score(labels, predicted, labels=classes, average="macro")


class RocAucEvaluator(_SklearnEvaluator):
    """The area under the ROC curve, in [0, 1]; 0.5 is chance.

    For two classes it is that of the probability of class 1; for more, the unweighted mean of each class against
    the rest. A class that does not occur in y_true has no curve; then the score is NaN.
    """

    needs_every_class = True

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        num_classes = predictions.shape[1]
        one_hot = np.eye(num_classes, dtype=np.int64)[labels]  # (N, K)
        if not one_hot.any(axis=0).all():
            return math.nan
        if num_classes == 2:
            return _metrics().roc_auc_score(labels, predictions[:, 1])
        return _metrics().roc_auc_score(one_hot, predictions, average="macro")


class LogLossEvaluator(_SklearnEvaluator):
    """The mean negative natural logarithm of the true class's probability, 0 or more; lower is better.

    Rows are first divided by their sums, which float32 rounding leaves a little off 1; a probability of 0
    counts as the float64 epsilon, a loss of 36.04.

    :raises ValueError: from `score`, predictions that are not probabilities, such as logits.
    """

    worst_score = math.inf
    mode = "min"

    def _score(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        sums = predictions.sum(axis=1, keepdims=True)  # (N, 1)
        if predictions.min() < 0 or np.abs(sums - 1).max() > PROBABILITY_TOLERANCE:
            raise ValueError(
                f"y_pred has values from {predictions.min():.4g} and row sums from {sums.min():.4g} to "
                f"{sums.max():.4g}; log loss takes probabilities that sum to 1, the softmax of the logits"
            )
        return _metrics().log_loss(labels, predictions / sums, labels=np.arange(predictions.shape[1]))


def cross_entropy(y_true: np.ndarray, y_pred: np.ndarray) -> float | None:
    """Return the mean negative natural logarithm of the true class's probability; None without probabilities.

    :param y_true: (N, K) one-hot. y_pred: (N, K), of which each row should sum to 1.
    """
    sums = y_pred.sum(axis=1, dtype=np.float64)  # (N,)
    if not np.isfinite(sums).all() or np.abs(sums - 1).max(initial=0) > PROBABILITY_TOLERANCE:
        return None
    true = np.where(y_true, y_pred, 0).sum(axis=1, dtype=np.float64) / sums
    return float(-np.log(np.maximum(true, np.finfo(np.float64).eps)).mean())


EVALUATORS: dict[str, Callable[[], Evaluator]] = {
    "accuracy": AccuracyEvaluator,
    "error_rate": ErrorRateEvaluator,
    "top5_accuracy": partial(TopKAccuracyEvaluator, k=5),
    "macro_f1": MacroF1Evaluator,
    "balanced_accuracy": BalancedAccuracyEvaluator,
    "roc_auc": RocAucEvaluator,
    "log_loss": LogLossEvaluator,
}
