"""Score a network on labelled images: by one crop and by many, each class, calibration, mirroring."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from datasets.dataset import DataSet
from learning.confusion import balanced_accuracy, per_class_recall
from learning.evaluation.calibration import calibration
from learning.evaluation.mirroring import compare, halves
from learning.evaluation.predicted_images import PredictedImages
from learning.evaluators import EVALUATORS, class_indices
from learning.inference.temperature import Temperature
from learning.terminal.progress import show_progress
from models.convnet import ConvNet


class Evaluation(NamedTuple):
    """The scores of a test, plain values for JSON, and what was predicted for each image."""

    results: dict[str, Any]
    images: PredictedImages


def evaluate(
    sess: Any,
    model: ConvNet,
    dataset: DataSet,
    *,
    evaluator: str,
    batch_size: int,
    all_crops: bool = True,
    temperature: Temperature | None = None,
) -> Evaluation:
    """Score `model` on labelled images, by the centre crop and, if `dataset` has more, by all of its crops.

    :param evaluator: a key of EVALUATORS, reported with the accuracy.
    :param all_crops: False: by the centre crop alone.
    :param temperature: for the calibrated figures.
    :return: the results: num_images, class_names, scores (for each way of cropping: crops, accuracy, the
        evaluator's score, seconds), calibration (see `calibration`; by the centre crop) and, by the last way of
        cropping, per_class (class, precision, recall, f1, support), per_class_recall, their mean
        balanced_accuracy, confusion_matrix (rows: true class), and mirroring, the result of `mirroring.compare`,
        None if no crop is mirrored. The images' probabilities are those of the last way.
    """
    truth = class_indices(dataset.labels, model.num_classes)  # (N,)
    predict = partial(model.predict, sess, batch_size=batch_size, progress=show_progress)
    start = time.perf_counter()
    pred = predict(dataset, augment_pred=False)  # (N, K)
    scores = [_scores(dataset, truth, pred, evaluator, 1, start)]
    calibrated, mirroring = calibration(pred, truth, temperature), None
    if all_crops and dataset.num_crops > 1:
        start = time.perf_counter()
        pred, mirroring = _by_all_crops(predict, dataset, truth)
        scores.append(_scores(dataset, truth, pred, evaluator, dataset.num_crops, start))
    images = PredictedImages.of(dataset, truth, pred)
    return Evaluation(
        {
            "num_images": dataset.num_examples,
            "class_names": list(images.class_names),
            "scores": scores,
            "mirroring": mirroring,
            "calibration": calibrated,
            **_figures_of_classes(images),
        },
        images,
    )


def finite_score(evaluator: str, labels: np.ndarray, pred: np.ndarray) -> float | None:
    """Return the score of an evaluator, a key of EVALUATORS; None for NaN and Inf, which JSON does not have."""
    score = float(EVALUATORS[evaluator]().score(labels, pred))
    return score if math.isfinite(score) else None


def _scores(
    dataset: DataSet, truth: np.ndarray, pred: np.ndarray, evaluator: str, crops: int, start: float
) -> dict[str, Any]:
    """Return the scores of one way of cropping, which began at `start`."""
    return {
        "crops": crops,
        "accuracy": float(accuracy_score(truth, pred.argmax(axis=1))),
        evaluator: finite_score(evaluator, dataset.labels, pred),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _by_all_crops(
    predict: Callable[..., np.ndarray], dataset: DataSet, truth: np.ndarray
) -> tuple[np.ndarray, dict[str, float] | None]:
    """Return the mean predictions (N, K) of all crops, and how the mirrored ones compare, if there are any."""
    if not dataset.crops.reflect:
        return predict(dataset, augment_pred=True), None
    plain, mirrored = (predict(half, augment_pred=True) for half in halves(dataset))
    return (plain + mirrored) / 2, compare(truth, plain, mirrored)


def _figures_of_classes(images: PredictedImages) -> dict[str, Any]:
    matrix = confusion_matrix(images.truth, images.predicted, labels=range(len(images.class_names)))
    return {
        "balanced_accuracy": balanced_accuracy(matrix),
        "per_class": _per_class(images),
        "per_class_recall": per_class_recall(matrix),
        "confusion_matrix": matrix.tolist(),
    }


def _per_class(images: PredictedImages) -> list[dict[str, Any]]:
    """Return class, precision, recall, f1 and support (its images); None where there is nothing to divide by."""
    classes = range(len(images.class_names))
    figures = precision_recall_fscore_support(
        images.truth, images.predicted, labels=classes, zero_division=np.nan
    )
    rows = zip(images.class_names, *(values.tolist() for values in figures), strict=True)
    table = [dict(zip(("class", "precision", "recall", "f1", "support"), row, strict=True)) for row in rows]
    return [{key: None if value != value else value for key, value in row.items()} for row in table]  # NaN
