"""Test a trained network: scores by one crop and by many, recall by class, the confusion matrix."""

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
from datasets.storage.atomic import remove_abandoned, write_text
from datasets.storage.failures import storage_errors
from datasets.storage.paths import expanded
from datasets.storage.untrusted import MAX_JSON_BYTES, read_text
from learning.errors import StorageError
from learning.evaluators import EVALUATORS, class_indices
from learning.inference.mirroring import compare, halves
from learning.inference.trained import load_run
from learning.reports.confusion import MAX_TABLE_CLASSES, balanced_accuracy, confusion_csv, per_class_recall
from learning.runs import data as run_data
from learning.runs.directory import RunDirectory
from learning.terminal.output import is_watched
from models.convnet import ConvNet


def evaluate_run(
    run: RunDirectory, data_dir: str | None = None, output: Path | None = None
) -> tuple[dict[str, Any], list[Path]]:
    """Test the selected weights of a run, and write the results.

    :param data_dir: labelled images, see `run_data.open_labelled`; by default those that the run held out.
    :param output: the folder for the results, see `results_folder`.
    :return: the results of `evaluate` with split, epoch and, for other images, data_dir and bad_files; the files.
    :raises StorageError: the results cannot be written.
    """
    folder = results_folder(run, output)
    if data_dir is None:
        dataset, split = run_data.held_out(run_data.open_data(run.config, run))
        name, found = "test", {}  # run.json lists the unreadable files
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

    :param evaluator: a key of EVALUATORS, reported with the accuracy.
    :return: plain values for JSON: num_images, class_names, scores (for each way of cropping: crops, accuracy, the
        evaluator's score, seconds), per_class_recall, their mean balanced_accuracy and confusion_matrix (rows:
        true class) of the last way, and mirroring, the result of `mirroring.compare`, None if no crop is mirrored.
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
        score = float(EVALUATORS[evaluator]().score(dataset.labels, pred))
        scores.append(
            {
                "crops": dataset.num_crops if augment_pred else 1,
                "accuracy": float(accuracy_score(truth, pred.argmax(axis=1))),
                evaluator: score if math.isfinite(score) else None,  # JSON has no NaN
                "seconds": round(time.perf_counter() - start, 2),
            }
        )
    matrix = confusion_matrix(truth, pred.argmax(axis=1), labels=range(model.num_classes))
    return {
        "num_images": dataset.num_examples,
        "class_names": list(dataset.class_names or map(str, range(model.num_classes))),
        "scores": scores,
        "mirroring": mirroring,
        "balanced_accuracy": balanced_accuracy(matrix),
        "per_class_recall": per_class_recall(matrix),
        "confusion_matrix": matrix.tolist(),
    }


def show_progress(chunks: Sequence[int], task: str = "predicting") -> Iterable[int]:
    """Show a progress bar over the chunks of a prediction if standard output is a terminal."""
    return track(chunks, task, transient=True, disable=not is_watched())


def results_folder(run: RunDirectory, output: Path | None) -> Path:
    """Return the folder for the results of a test, and make it if it does not exist.

    The default is the run's own folder or, for a published run, which stays unchanged, runs/tests/NAME in the
    working directory.

    :param output: the folder to use in place of the default.
    :raises StorageError: the folder cannot be written; checked before the test, which may take long.
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

    NAME is the name of `data_dir`, cut to 50 letters: a file name has at most 255 bytes, and a letter up to four.
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
    with storage_errors(folder, f"cannot write the results in {folder}", "make room"):
        write_text(folder / names[0], _results_text(results))
        if len(class_names) > MAX_TABLE_CLASSES:
            names.append(f"{name}-confusion.csv")
            write_text(folder / names[-1], confusion_csv(matrix, class_names))
        draw_confusion_matrix(matrix, class_names, folder / names[1])
    return names


def _results_text(results: dict[str, Any]) -> str:
    """Return JSON with one line for each row of the confusion matrix: json.dumps gives each number a line."""
    rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in results["confusion_matrix"])
    text = json.dumps({**results, "confusion_matrix": None}, indent=1)
    return text.replace('"confusion_matrix": null', f'"confusion_matrix": [\n  {rows}\n ]')
