"""Testing a trained network: single- and multi-crop scores, recall by class, the confusion matrix."""

import json
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from sklearn.metrics import accuracy_score, confusion_matrix

from datasets.dataset import DataSet
from datasets.errors import escape_name
from learning.confusion import confusion_table, per_class_recall
from learning.evaluators import EVALUATORS
from learning.files import MAX_JSON_BYTES, parse_json, read_text, write_text
from learning.output import is_watched
from models.convnet import ConvNet


def evaluate(
    sess: Any, model: ConvNet, dataset: DataSet, *, evaluator: str, batch_size: int
) -> dict[str, Any]:
    """Score `model` on labelled images, by the centre crop and, where `dataset` has more, by all of its crops.

    :param evaluator: a key of EVALUATORS, reported beside the accuracy.
    :return: plain values for JSON: num_images, class_names, scores (one entry per way of cropping: crops,
        accuracy, the evaluator's score, seconds), and of the last way per_class_recall and
        confusion_matrix (rows: true class).
    """
    truth = np.argmax(dataset.labels, axis=1)  # (N,)
    scores = []
    for augment_pred in (False, True) if dataset.num_crops > 1 else (False,):
        start = time.perf_counter()
        pred = model.predict(
            sess, dataset, batch_size=batch_size, augment_pred=augment_pred, progress=show_progress
        )
        found = {
            "crops": dataset.num_crops if augment_pred else 1,
            "accuracy": float(accuracy_score(truth, pred.argmax(axis=1))),
            evaluator: _finite(EVALUATORS[evaluator]().score(dataset.labels, pred)),
            "seconds": round(time.perf_counter() - start, 2),
        }
        scores.append(found)
    matrix = confusion_matrix(truth, pred.argmax(axis=1), labels=range(model.num_classes))
    return {
        "num_images": dataset.num_examples,
        "class_names": list(dataset.class_names or map(str, range(model.num_classes))),
        "scores": scores,
        "per_class_recall": per_class_recall(matrix),
        "confusion_matrix": matrix.tolist(),
    }


def show_progress(chunks: Sequence[int]) -> Iterable[int]:
    """A bar over the chunks of a prediction, where stdout is a terminal."""
    return track(chunks, "predicting", transient=True, disable=not is_watched())


def results_name(folder: Path, data_dir: Path) -> str:
    """test-NAME for scores on the images in `data_dir`, with a number where another NAME's are in `folder`."""
    name, number = f"test-{data_dir.stem}", 2
    while (taken := folder / f"{name}.json").exists() and _tested_on(taken) != str(data_dir):
        name, number = f"test-{data_dir.stem}-{number}", number + 1
    return name


def _tested_on(results: Path) -> str | None:
    """Where the images were whose scores a file holds; None where it does not say."""
    try:
        return str(parse_json(read_text(results, MAX_JSON_BYTES))["data_dir"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_results(results: dict[str, Any], folder: Path, name: str) -> None:
    """`name`.json and `name`-confusion.png in `folder`."""
    from learning.report import draw_confusion_matrix  # matplotlib takes a while to import

    write_text(folder / f"{name}.json", json.dumps(results, indent=1))
    matrix = np.asarray(results["confusion_matrix"])
    draw_confusion_matrix(matrix, results["class_names"], folder / f"{name}-confusion.png")


def _finite(score: float) -> float | None:
    """JSON has no NaN: a score that the labels do not define is None."""
    return float(score) if math.isfinite(score) else None


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def _crops(entry: dict[str, Any]) -> str:
    return f"{entry['crops']:>2} crop{'s' if entry['crops'] > 1 else ''}"


def score_lines(results: dict[str, Any]) -> list[str]:
    """The scores side by side, for people."""
    count, split = results["num_images"], results["split"]
    images = f"{count} images of {escape_name(split)}" if "data_dir" in results else f"{count} {split} images"
    head = f"{images}, weights of epoch {results['epoch']}"
    lines = [head]
    for entry in results["scores"]:
        named = {key: value for key, value in entry.items() if key not in ("crops", "seconds")}
        values = "  ".join(f"{key} {_shown(value)}" for key, value in named.items())
        lines.append(f"  {_crops(entry):<8}  {values}")
    return lines


def detail_lines(results: dict[str, Any]) -> list[str]:
    """The confusion matrix with the recall of each class, for people."""
    table = confusion_table(np.asarray(results["confusion_matrix"]), results["class_names"])
    return [f"by {_crops(results['scores'][-1]).strip()}:", *table.splitlines()]
