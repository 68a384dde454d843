"""Read the files of a run that its page shows: history, times, scores of tests and of training images."""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from learning.confusion import checked_counts
from learning.errors import CheckpointError
from learning.runs.directory import HISTORY_FILE, RunDirectory

TEST_FILE, TRAINING_FILE, TIMING_FILE = "test.json", "training-score.json", "timing.csv"
HISTORY_COLUMNS = ("epoch", "learning_rate", "train_loss", "train_score", "val_score")
MOST_ERRORS = 16  # of a test
MOST_TESTS = 20  # further results whose scores are read, the newest ones


class WrongPrediction(NamedTuple):
    """One of the network's most confident errors."""

    file: str
    true: str
    predicted: str
    probability: float
    picture: str  # relative to the folder of the results, with / between folders; empty without one


@dataclass(frozen=True, kw_only=True)
class Tested:
    """The results of `learning.evaluation.evaluate.evaluate`, as test.json has them."""

    epoch: int  # whose weights were tested
    split: str  # test, validation, training, or the folder of other images
    num_images: int
    class_names: tuple[str, ...]
    scores: tuple[Mapping[str, Any], ...]  # one for each way of cropping
    matrix: np.ndarray  # int64 (K, K), rows: true class, of the last way of cropping
    errors: tuple[WrongPrediction, ...]  # empty in results of earlier versions
    calibration: Mapping[str, Any] | None  # None in results of earlier versions, or if there are no figures
    raw: Mapping[str, Any]

    @property
    def accuracy(self) -> float:
        """Return the accuracy of the last way of cropping."""
        return float(self.scores[-1]["accuracy"])

    @property
    def num_right(self) -> int:
        """Return how many images are recognised by the last way of cropping."""
        return int(np.trace(self.matrix))

    @property
    def is_seen(self) -> bool:
        """Return whether the tested images are the training images."""
        return self.split == "training"


@dataclass(frozen=True, kw_only=True)
class TrainingScore:
    """How well training images are recognised by the tested weights, by their centre crops."""

    epoch: int
    num_images: np.ndarray  # of each class: int64 (K,)
    num_right: np.ndarray
    score: float | None  # the evaluator's


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """What the files of a run hold; None or empty for a file that does not exist."""

    run: RunDirectory
    history: Sequence[Mapping[str, Any]]
    seconds: float | None
    tested: Tested | None
    training: TrainingScore | None
    other_tests: Mapping[str, Tested]  # by the file's name


def read_run(folder: Path) -> RunFiles:
    """Read a run directory. CheckpointError if it is none, or a file in it cannot be read."""
    run = RunDirectory(folder)
    folder = run.path
    others = sorted(folder.glob("test-*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return RunFiles(
        run=run,
        history=_parsed(folder / HISTORY_FILE, _parse_history) or (),
        seconds=_parsed(folder / TIMING_FILE, _parse_timing),
        tested=_parsed(folder / TEST_FILE, parse_results),
        training=_parsed(folder / TRAINING_FILE, _parse_training),
        other_tests={path.name: _parsed(path, parse_results) for path in others[-MOST_TESTS:]},
    )


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    """Return what `parse` makes of a file's text, or None if there is no file."""
    if not path.is_file():
        return None
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"cannot read {path}: {type(error).__name__}: {reason}; restore it from a copy, or remove it"
        ) from error


def _parse_history(text: str) -> list[dict[str, Any]]:
    """Return the rows of history.csv, one for each epoch, with None for an empty cell.

    Runs of earlier versions have no val_loss.
    """
    rows = [
        {key: float(row[key]) if row[key] else None for key in HISTORY_COLUMNS}
        | {"val_loss": float(row["val_loss"]) if row.get("val_loss") else None}
        for row in csv.DictReader(text.splitlines())
    ]
    return [{**row, "epoch": int(row["epoch"] or 0)} for row in rows]


def _parse_timing(text: str) -> float:
    """Return the seconds of all epochs in timing.csv."""
    return math.fsum(float(row["seconds"]) for row in csv.DictReader(text.splitlines()))


def parse_results(text: str) -> Tested:
    """Return the results in test.json. ValueError, TypeError or LookupError for another text."""
    results = json.loads(text)
    names = tuple(map(str, results["class_names"]))
    scores = tuple(dict(entry) for entry in results["scores"])
    for entry in scores:
        entry["accuracy"] = float(entry["accuracy"])
    matrix = checked_counts(np.array(results["confusion_matrix"], np.int64), names)
    if not scores or not all(0 <= entry["accuracy"] <= 1 for entry in scores):
        raise ValueError("scores has no accuracy from 0 to 1")
    if not 0 < matrix.sum() == int(results["num_images"]):
        raise ValueError(f"num_images is not the sum of the confusion matrix, {matrix.sum()}")
    calibration = results.get("calibration")
    return Tested(
        epoch=int(results["epoch"]),
        split=str(results["split"]),
        num_images=int(results["num_images"]),
        class_names=names,
        scores=scores,
        matrix=matrix,
        errors=tuple(map(_wrong_prediction, (results.get("errors") or ())[:MOST_ERRORS])),
        calibration=_checked_calibration(calibration)
        if calibration and calibration["ece"] is not None
        else None,
        raw=results,
    )


def _wrong_prediction(entry: Mapping[str, Any]) -> WrongPrediction:
    texts = (str(entry.get(key) or "") for key in ("file", "true", "predicted", "picture"))
    file, true, predicted, picture = texts
    return WrongPrediction(file, true, predicted, float(entry["probability"]), picture)


def _checked_calibration(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return calibration figures as floats; bins without images have no accuracy."""
    keys = ("lower", "upper", "confidence", "accuracy")
    bins = [
        {"count": int(entry["count"])} | {key: float(entry[key] or 0.0) for key in keys}
        for entry in found["bins"]
    ]
    optional = {
        key: None if found.get(key) is None else float(found[key])
        for key in ("temperature", "ece_calibrated")
    }
    return {"ece": float(found["ece"]), "bins": bins, **optional}


def _parse_training(text: str) -> TrainingScore:
    found = json.loads(text)
    score = found.get("score")
    images, right = (np.array(found[key], np.int64) for key in ("num_images", "num_right"))
    if images.ndim != 1 or images.shape != right.shape or (right < 0).any() or (right > images).any():
        raise ValueError("num_images and num_right do not fit together")
    if not images.sum():
        raise ValueError("num_images is 0")
    return TrainingScore(
        epoch=int(found["epoch"]),
        num_images=images,
        num_right=right,
        score=None if score is None else float(score),
    )
