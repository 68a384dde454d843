"""Test a trained network: single- and multi-crop scores, recall by class, the confusion matrix."""

import json
import math
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from sklearn.metrics import accuracy_score, confusion_matrix

from datasets.dataset import DataSet
from datasets.errors import escape_name
from datasets.storage.atomic import remove_abandoned, write_text
from datasets.storage.failures import is_storage_failure, storage_reason
from datasets.storage.paths import expanded
from datasets.storage.untrusted import MAX_JSON_BYTES, read_text
from learning.errors import StorageError
from learning.evaluators import EVALUATORS, class_indices
from learning.inference.mirroring import compare, halves, mirroring_hint
from learning.inference.trained import load_run
from learning.reports.confusion import (
    MAX_TABLE_CLASSES,
    confusion_csv,
    confusion_summary,
    confusion_table,
    per_class_recall,
)
from learning.runs import data as run_data
from learning.runs.directory import RunDirectory
from learning.terminal.output import is_watched
from models.convnet import ConvNet


def evaluate_run(
    run: RunDirectory, data_dir: str | None = None, output: Path | None = None
) -> tuple[dict[str, Any], list[Path]]:
    """Test the weights of a run that count, and write the results.

    :param data_dir: labelled images to test on, see `run_data.open_labelled`; without it what the run held out.
    :param output: the folder for the results, see `results_folder`.
    :return: the results of `evaluate` with split, epoch and, for other images, data_dir and bad_files; the files.
    :raises StorageError: the results cannot be written.
    """
    folder = results_folder(run, output)
    if data_dir is None:
        dataset, split = run_data.held_out(run_data.open_data(run.config, run))
        name, found = "test", {}  # run.json names the unreadable files
    else:
        labelled = run_data.open_labelled(run, data_dir)
        path = expanded(data_dir).resolve()
        dataset, split, name = labelled.dataset, data_dir, results_name(folder, path)
        found = {"data_dir": str(path), "bad_files": labelled.bad_files}
    model, sess, epoch = load_run(run)
    train = run.config.train
    with closing(sess):
        results = evaluate(sess, model, dataset, evaluator=train.evaluator, batch_size=train.batch_size)
    results |= {"split": split, "epoch": epoch, **found}
    return results, [folder / written for written in write_results(results, folder, name)]


def evaluate(
    sess: Any, model: ConvNet, dataset: DataSet, *, evaluator: str, batch_size: int
) -> dict[str, Any]:
    """Score `model` on labelled images, by the centre crop and, if `dataset` has more, by all of its crops.

    :param evaluator: a key of EVALUATORS, reported beside the accuracy.
    :return: plain values for JSON: num_images, class_names, scores (one entry for each way of cropping: crops,
        accuracy, the evaluator's score, seconds), per_class_recall and confusion_matrix (rows: true class) of the
        last way, and mirroring, the result of `mirroring.compare`, None if no crop is mirrored.
    """
    truth = class_indices(dataset.labels, model.num_classes)  # (N,)
    predict = partial(model.predict, sess, batch_size=batch_size, progress=show_progress)
    scores, mirroring = [], None
    for augment_pred in (False, True) if dataset.num_crops > 1 else (False,):
        start = time.perf_counter()
        if augment_pred and dataset.crops.reflect:
            plain, mirrored = (predict(half, augment_pred=True) for half in halves(dataset))
            pred = (plain + mirrored) / 2  # (N, K), the mean over all crops
            mirroring = compare(truth, plain, mirrored)
        else:
            pred = predict(dataset, augment_pred=augment_pred)
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
        "mirroring": mirroring,
        "per_class_recall": per_class_recall(matrix),
        "confusion_matrix": matrix.tolist(),
    }


def show_progress(chunks: Sequence[int]) -> Iterable[int]:
    """Show a bar over the chunks of a prediction if standard output is a terminal."""
    return track(chunks, "predicting", transient=True, disable=not is_watched())


def results_folder(run: RunDirectory, output: Path | None) -> Path:
    """Return the folder for the results of a test, and make it if it does not exist.

    It is the run's own folder. A published run stays as it was published, so its results go to runs/tests/NAME in
    the working directory.

    :param output: the folder asked for, if any.
    :raises StorageError: it cannot be written; checked before the test, which may take long.
    """
    folder = Path("runs", "tests", run.path.resolve().name) if run.info.get("published") else run.path
    folder = folder if output is None else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}; choose another --output") from error
    if not os.access(folder, os.W_OK):
        raise StorageError(f"cannot write into {folder}; choose another folder with --output")
    return folder


def results_name(folder: Path, data_dir: Path) -> str:
    """Return test-NAME for scores on the images in `data_dir`, with a number if `folder` has those of another NAME.

    NAME is the name of `data_dir`, cut to 50 letters: a file name has 255 bytes, and a letter up to four.
    """
    base = f"test-{data_dir.stem[:50]}"
    name, number = base, 2
    while (taken := folder / f"{name}.json").exists() and not _is_of(taken, data_dir):
        name, number = f"{base}-{number}", number + 1
    return name


def _is_of(results: Path, data_dir: Path) -> bool:
    """Return whether a file of `write_results` holds scores on the images in `data_dir`."""
    try:
        return f'"data_dir": {json.dumps(str(data_dir))}' in read_text(results, MAX_JSON_BYTES)
    except (OSError, ValueError):
        return False


def write_results(results: dict[str, Any], folder: Path, name: str) -> list[str]:
    """Write `name`.json and `name`-confusion.png in `folder`, and for many classes `name`-confusion.csv.

    :return: the files' names.
    :raises StorageError: they cannot be written.
    """
    from learning.reports.plots import draw_confusion_matrix  # matplotlib takes a while to import

    matrix, class_names = np.asarray(results["confusion_matrix"]), results["class_names"]
    names = [f"{name}.json", f"{name}-confusion.png"]
    remove_abandoned(folder)
    try:
        write_text(folder / names[0], _results_text(results))
        if len(class_names) > MAX_TABLE_CLASSES:
            names.append(f"{name}-confusion.csv")
            write_text(folder / names[-1], confusion_csv(matrix, class_names))
        draw_confusion_matrix(matrix, class_names, folder / names[1])
    except OSError as error:
        if not is_storage_failure(error, folder):
            raise
        raise StorageError(
            f"cannot write the results in {folder}: {storage_reason(error, folder)}; make room"
        ) from error
    return names


def _results_text(results: dict[str, Any]) -> str:
    """Return JSON with a line for each row of the confusion matrix; json.dumps gives each number its own line."""
    rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in results["confusion_matrix"])
    text = json.dumps({**results, "confusion_matrix": None}, indent=1)
    return text.replace('"confusion_matrix": null', f'"confusion_matrix": [\n  {rows}\n ]')


def _finite(score: float) -> float | None:
    """Return None for a score that the labels do not define, because JSON has no NaN."""
    return float(score) if math.isfinite(score) else None


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def _crops(entry: dict[str, Any]) -> str:
    return f"{entry['crops']:>2} crop{'s' if entry['crops'] > 1 else ''}"


def score_lines(results: dict[str, Any]) -> list[str]:
    """Return lines for people with the scores of one crop and of all crops."""
    count, split = results["num_images"], results["split"]
    images = f"{count} images of {escape_name(split)}" if "data_dir" in results else f"{count} {split} images"
    head = f"{images}, weights of epoch {results['epoch']}"
    lines = [head]
    for entry in results["scores"]:
        named = {key: value for key, value in entry.items() if key not in ("crops", "seconds")}
        values = "  ".join(f"{key} {_shown(value)}" for key, value in named.items())
        lines.append(f"  {_crops(entry):<8}  {values}")
    hint = mirroring_hint(results)
    return lines if hint is None else [*lines, hint]


def detail_lines(results: dict[str, Any]) -> list[str]:
    """Return lines for people with the confusion matrix and the recall of each class; a summary of many classes."""
    matrix, class_names = np.asarray(results["confusion_matrix"]), results["class_names"]
    show = confusion_table if len(class_names) <= MAX_TABLE_CLASSES else confusion_summary
    return [f"by {_crops(results['scores'][-1]).strip()}:", *show(matrix, class_names).splitlines()]
