"""Score a network on labelled images: by one crop and by many, each class, calibration, mirroring."""

import math
import time
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
    scores, mirroring, calibrated = [], None, dict[str, Any]()
    for augment_pred in (False, True) if all_crops and dataset.num_crops > 1 else (False,):
        start = time.perf_counter()
        if augment_pred and dataset.crops.reflect:
            plain, mirrored = (predict(half, augment_pred=True) for half in halves(dataset))
            pred = (plain + mirrored) / 2  # (N, K), the mean over all crops
            mirroring = compare(truth, plain, mirrored)
        else:
            pred = predict(dataset, augment_pred=augment_pred)
        score = float(EVALUATORS[evaluator]().score(dataset.labels, pred))
        scores.append(
            {
                "crops": dataset.num_crops if augment_pred else 1,
                "accuracy": float(accuracy_score(truth, pred.argmax(axis=1))),
                evaluator: score if math.isfinite(score) else None,  # JSON has no NaN
                "seconds": round(time.perf_counter() - start, 2),
            }
        )
        calibrated = calibrated or calibration(pred, truth, temperature)
    images = PredictedImages.of(dataset, truth, pred)
    matrix = confusion_matrix(truth, images.predicted, labels=range(model.num_classes))
    results = {
        "num_images": dataset.num_examples,
        "class_names": list(images.class_names),
        "scores": scores,
        "mirroring": mirroring,
        "calibration": calibrated,
        "balanced_accuracy": balanced_accuracy(matrix),
        "per_class": _per_class(images),
        "per_class_recall": per_class_recall(matrix),
        "confusion_matrix": matrix.tolist(),
    }
    return Evaluation(results, images)


def _per_class(images: PredictedImages) -> list[dict[str, Any]]:
    """Return class, precision, recall, f1 and support (its images); None where there is nothing to divide by."""
    classes = range(len(images.class_names))
    figures = precision_recall_fscore_support(
        images.truth, images.predicted, labels=classes, zero_division=np.nan
    )
    rows = zip(images.class_names, *(values.tolist() for values in figures), strict=True)
    table = [dict(zip(("class", "precision", "recall", "f1", "support"), row, strict=True)) for row in rows]
    return [{key: None if value != value else value for key, value in row.items()} for row in table]  # NaN
