"""Write the page of a run: an HTML file in its folder that shows its results."""

import csv
import datetime
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from learning.errors import CheckpointError
from learning.reports.confusion import top_confusions, worst_classes
from learning.reports.html import Section, write_page
from learning.reports.scores import hints
from learning.runs.directory import CONFIG_FILE, RunDirectory

PAGE_FILE = "index.html"
HISTORY_COLUMNS = {
    "epoch": "epoch",
    "learning_rate": "learning rate",
    "train_loss": "training loss",
    "train_score": "score of the last minibatch",
    "val_score": "validation score",
}
MAX_LISTED_CLASSES = 50  # with more, only the worst are listed
NUM_NAMES = 10  # classes that the table of facts names
PICTURES = (  # heading, file, caption
    ("Confusion matrix", "test-confusion.png", "Counts; the colour is the share of the true class"),
    ("Training images", "augmented.png", "Some training images as the network sees them in the first epoch"),
)


def write_run_page(folder: Path) -> Path:
    """Write index.html of a run: scores, curves, recall, confusion matrix, unreadable files, configuration.

    Parts whose files (history.csv, test.json, a picture) do not exist yet are left out.

    :param folder: a run directory.
    :return: the page.
    :raises CheckpointError: `folder` is not a run directory, or a file in it cannot be read.
    """
    run = RunDirectory(folder)
    history = _parsed(folder / "history.csv", _parse_history) or []
    results = _parsed(folder / "test.json", _parse_results)
    sections = [_facts(run, _parsed(folder / "timing.csv", _parse_timing))]
    if history:
        curves = _pictures(folder, "learning_curves.png", "Loss, score and learning rate after each epoch")
        sections.append(_learning(history, results.epoch if results else None, curves))
    if results:
        sections = [results.scores, *sections, *results.classes]
    for heading, name, caption in PICTURES:
        if pictures := _pictures(folder, name, caption):
            sections.append(Section(heading=heading, images=pictures))
    if bad_files := run.info.get("bad_files"):
        sections.append(Section(heading="Unreadable files", columns=["file", "reason"], rows=bad_files))
    text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    sections.append(Section(heading="Configuration", text=text.strip()))
    write_page(folder / PAGE_FILE, title=f"Run {folder.resolve().name}", sections=sections)
    return folder / PAGE_FILE


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    """Return what `parse` makes of a file's text, or None if there is no file."""
    if not path.is_file():
        return None
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"cannot read {path}: {type(error).__name__}: {reason}; restore it from a copy, or remove it"
        ) from error


def _parse_history(text: str) -> list[dict[str, Any]]:
    """Return the rows of history.csv, one for each epoch, with None for an empty cell."""
    rows = csv.DictReader(text.splitlines())
    values = [{key: float(row[key]) if row[key] else None for key in HISTORY_COLUMNS} for row in rows]
    return [{**row, "epoch": int(row["epoch"] or 0)} for row in values]


def _parse_timing(text: str) -> str:
    """Return the time of all epochs in timing.csv, as hours, minutes and seconds."""
    seconds = math.fsum(float(row["seconds"]) for row in csv.DictReader(text.splitlines()))
    return str(datetime.timedelta(seconds=round(seconds)))


class _Results(NamedTuple):
    epoch: int  # whose weights were tested
    scores: Section  # a row for each way of cropping
    classes: list[Section]  # recall, and for many classes the confusions


def _parse_results(text: str) -> _Results:
    """Return the sections of test.json, which has the results of `evaluate`, the split and the epoch."""
    results = json.loads(text)
    columns = list(results["scores"][0])
    rows = [[entry[column] for column in columns] for entry in results["scores"]]
    heading = f"Scores on {results['num_images']} {results['split']} images"
    scores = Section(heading=heading, columns=columns, rows=rows, text="\n".join(hints(results)))
    return _Results(results["epoch"], scores, _class_sections(results))


def _class_sections(results: dict[str, Any]) -> list[Section]:
    """Return the recall of each class or, for many classes, the lowest and the most frequent confusions."""
    matrix, names = np.array(results["confusion_matrix"], np.int64), results["class_names"]
    if len(names) <= MAX_LISTED_CLASSES:
        rows = list(zip(names, matrix.sum(axis=1).tolist(), results["per_class_recall"], strict=True))
        return [Section(heading="Recall by class", columns=["class", "images", "recall"], rows=rows)]
    return [
        Section(
            heading=f"Lowest recall of {len(names)} classes",
            columns=["class", "images", "recall"],
            rows=worst_classes(matrix, names, MAX_LISTED_CLASSES),
        ),
        Section(
            heading="Most frequent confusions",
            columns=["true class", "predicted class", "images", "share of the true class"],
            rows=top_confusions(matrix, names, MAX_LISTED_CLASSES),
        ),
    ]


def _facts(run: RunDirectory, training_time: str | None) -> Section:
    """Return which network was trained on which data, and for how long."""
    info, names = run.info, run.class_names
    listed = ", ".join(names[:NUM_NAMES]) + (", ..." if len(names) > NUM_NAMES else "")
    facts = {
        "recipe": run.config.recipe,
        "network": run.config.model.name,
        "precision": run.config.model.precision,
        "input": " x ".join(map(str, run.input_shape)),
        "data": run.config.data.name,
        "images": _listed(run.num_images),
        "classes": f"{len(names)}: {listed}",
        "started": info.get("started", ""),
        "training time": training_time,
        "versions": _listed(info.get("versions", {})),
        "computed by": "; then ".join(map(_machine, info.get("machines", []))),
    }
    return Section(heading="The run", rows=[pair for pair in facts.items() if pair[1]])


def _machine(found: Mapping[str, object]) -> str:
    """Describe one of the machines that `learning.machine.identity` recorded."""
    return (
        f"{found.get('gpu') or found.get('processor')}, {found.get('kernels')} kernels, {found.get('threads')} "
        f"threads, TensorFlow {found.get('tensorflow')}, after update {found.get('from_step', 0)}"
    )


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _learning(
    history: Sequence[Mapping[str, Any]], tested: int | None, curves: list[tuple[str, str]]
) -> Section:
    """Return the curves, and the numbers of the tested epoch and the last one."""
    named = {history[-1]["epoch"]: ["last"]}
    if tested is not None:
        named.setdefault(tested, []).append("tested")
    rows = [
        [", ".join(named[row["epoch"]]), *(row[key] for key in HISTORY_COLUMNS)]
        for row in history
        if row["epoch"] in named
    ]
    return Section(heading="Learning", columns=["", *HISTORY_COLUMNS.values()], rows=rows, images=curves)


def _pictures(folder: Path, name: str, caption: str) -> list[tuple[str, str]]:
    """Return the picture and its caption, if the file exists."""
    return [(name, caption)] if (folder / name).is_file() else []
