"""Put runs side by side: their scores, best first, the options that differ, and their curves in one chart."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.errors import escape_name
from datasets.storage.atomic import write_csv, write_text
from datasets.storage.failures import storage_errors
from learning.config.recipes import flatten
from learning.config.run_config import PLACES
from learning.errors import UsageError
from learning.evaluators import EVALUATORS
from learning.findings.intervals import Interval, interval
from learning.reports.charts import Curve, line_chart
from learning.reports.html import Section, digits, write_page
from learning.reports.text_tables import aligned
from learning.runs.files import RunFiles, read_run

PAGE_FILE, CSV_FILE, JSON_FILE = "index.html", "compare.csv", "compare.json"
# Options that change no result.
WATCHING = ("keep_checkpoints", "save_every_steps", "tensorboard", "mlflow", "profile", "threads")
COLUMNS = ("run", "accuracy", "low", "high", "images", "split", "epochs", "tested epoch", "minutes")
CURVES = {
    "val_score": "Validation {}",
    "val_loss": "Validation loss",
    "train_loss": "Training loss, with each run's weight decay",
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs side by side.

    :ivar names: of the runs, best first.
    :ivar rows: COLUMNS and the evaluators' scores of each; None for what is not known.
    :ivar options: the values of each option that may change a result and is not the same in all runs.
    :ivar warnings: why the scores cannot simply be compared.
    :ivar notes: what chance may explain.
    """

    names: tuple[str, ...]
    runs: tuple[RunFiles, ...]
    rows: tuple[Mapping[str, Any], ...]
    options: Mapping[str, tuple[Any, ...]]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def compare(paths: Sequence[Path]) -> Comparison:
    """Read runs and compare them.

    :param paths: at least two run directories.
    :raises UsageError: fewer than two, or one is given twice.
    :raises CheckpointError: one is not a run directory, or a file in it cannot be read.
    """
    if len(paths) < 2:
        raise UsageError(f"{len(paths)} run cannot be compared; give two or more run directories")
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        raise UsageError("a run is given twice; give different run directories")
    names = [path.name for path in resolved]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    found = dict(zip(names, map(read_run, paths), strict=True))
    ordered = dict(sorted(found.items(), key=_badness(list(found.values()))))
    runs = tuple(ordered.values())
    return Comparison(
        names=tuple(ordered),
        runs=runs,
        rows=tuple(_row(name, files) for name, files in ordered.items()),
        options=_differing(runs),
        warnings=tuple(_warnings(ordered)),
        notes=tuple(_notes(ordered)),
    )


def _badness(runs: Sequence[RunFiles]) -> Callable[[tuple[str, RunFiles]], tuple[bool, float]]:
    """Return the key that sorts by the evaluator that all runs share or else by accuracy, untested runs last."""
    shared = {files.run.config.train.evaluator for files in runs}
    name = shared.pop() if len(shared) == 1 else "accuracy"
    sign = -1.0 if EVALUATORS[name]().mode == "max" else 1.0

    def key(item: tuple[str, RunFiles]) -> tuple[bool, float]:
        tested = item[1].tested
        value = None if tested is None else tested.scores[-1].get(name)
        return value is None, sign * (value or 0.0)

    return key


def _row(name: str, files: RunFiles) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"run": name, "epochs": files.history[-1]["epoch"] if files.history else 0}
    if files.seconds is not None:
        row["minutes"] = round(files.seconds / 60, 2)
    if (tested := files.tested) is not None:
        found = _accuracy(files)
        row |= {"accuracy": tested.accuracy, "low": found.low, "high": found.high}
        row |= {"images": tested.num_images, "split": tested.split, "tested epoch": tested.epoch}
        evaluator = files.run.config.train.evaluator
        row[evaluator] = tested.scores[-1].get(evaluator)
    return row


def _accuracy(files: RunFiles) -> Interval:
    tested = files.tested
    if tested is None:
        raise ValueError("the run was not tested")
    return interval(tested.num_right, tested.num_images)


def _differing(runs: Sequence[RunFiles]) -> dict[str, tuple[Any, ...]]:
    """Return the options that differ and may change a result; one that a run does not have is None."""
    ignored = {*PLACES, *(f"train.{name}" for name in WATCHING)}
    flat = []
    for files in runs:
        values = flatten(files.run.config.as_dict())
        own = values.pop("model.options")
        flat.append(values | {f"model.options.{key}": value for key, value in own.items()})
    names = dict.fromkeys(key for values in flat for key in values if key not in ignored)
    found = {key: tuple(values.get(key) for values in flat) for key in names}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _warnings(runs: Mapping[str, RunFiles]) -> list[str]:
    """Return why the scores of these runs may not be comparable."""
    tested = {name: files for name, files in runs.items() if files.tested is not None}
    facts: dict[str, Callable[[RunFiles], Any]] = {
        "CLASSES DIFFER, so the runs solve different tasks": lambda files: files.run.class_names,
        "TEST SETS DIFFER, so their scores cannot be compared": _test_set,
        "DATA DIFFER (names, pixels, labels or the split), so part of a difference may come from the images": (
            lambda files: files.run.info.get("data_fingerprint")
        ),
        "EVALUATORS DIFFER, so the order is by accuracy": lambda files: files.run.config.train.evaluator,
    }
    found = [
        f"{what}: {_grouped(groups)}."
        for what, fact in facts.items()
        if len(groups := _groups(tested if fact is _test_set else runs, fact)) > 1
    ]
    untested = [name for name in runs if name not in tested]
    return [*found, f"NOT TESTED: {', '.join(map(escape_name, untested))}."] if untested else found


def _test_set(files: RunFiles) -> tuple[Any, ...]:
    """Return what must be the same if two runs were tested on the same images."""
    tested = files.tested
    if tested is None:
        return ()
    by_class = dict(zip(tested.class_names, tested.matrix.sum(axis=1).tolist(), strict=True))
    return tested.split, tested.num_images, tuple(sorted(by_class.items()))


def _groups(runs: Mapping[str, RunFiles], fact: Callable[[RunFiles], Any]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name, files in runs.items():
        groups.setdefault(repr(fact(files)), []).append(name)
    return list(groups.values())


def _grouped(groups: Sequence[Sequence[str]]) -> str:
    return " / ".join(", ".join(map(escape_name, group)) for group in groups)


def _notes(runs: Mapping[str, RunFiles]) -> list[str]:
    """Return which runs the best one does not clearly beat, if they were tested on the same images."""
    tested = [(name, files) for name, files in runs.items() if files.tested is not None]
    if len(tested) < 2:
        return []
    (best, first), others = tested[0], tested[1:]
    low = _accuracy(first).low
    near = [
        name
        for name, files in others
        if _test_set(files) == _test_set(first) and _accuracy(files).high >= low
    ]
    if not near:
        return []
    named = ", ".join(map(escape_name, near))
    return [
        f"The 95% interval of {escape_name(best)} overlaps with that of {named}: their order may be chance."
    ]


def table(comparison: Comparison) -> list[str]:
    """Return the rows and the options as lines of text."""
    columns = _columns(comparison)
    cells = [[escape_name(_shown(row.get(column))) for column in columns] for row in comparison.rows]
    lines = aligned([columns, *cells])
    if comparison.options:
        names = [escape_name(name) for name in comparison.names]
        options = [[key, *map(_option, values)] for key, values in comparison.options.items()]
        lines += ["", *aligned([["option", *names], *options])]
    return lines


def _columns(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(key for row in comparison.rows for key in row))


def _shown(value: object) -> str:
    return "-" if value is None else digits(value)


def _option(value: object) -> str:
    return escape_name("-" if value is None else str(value))


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write index.html, compare.csv and compare.json in `folder`, which is made if it does not exist.

    :raises StorageError: they cannot be written.
    """
    paths = [folder / name for name in (PAGE_FILE, CSV_FILE, JSON_FILE)]
    with storage_errors(folder, f"cannot write in {folder}", "choose another --output"):
        folder.mkdir(parents=True, exist_ok=True)
        columns = _columns(comparison)
        flat = [
            {column: row.get(column) for column in columns}
            | {key: _option(values[k]) for key, values in comparison.options.items()}
            for k, row in enumerate(comparison.rows)
        ]
        write_page(paths[0], title=f"{len(comparison.names)} runs", sections=_sections(comparison))
        write_csv(paths[1], flat)
        values = {"warnings": comparison.warnings, "notes": comparison.notes}
        text = json.dumps({**values, "runs": comparison.rows, "options": comparison.options}, indent=1)
        write_text(paths[2], text)
    return paths


def _sections(comparison: Comparison) -> list[Section]:
    columns = _columns(comparison)
    rows = [[row.get(column) for column in columns] for row in comparison.rows]
    lines = [*comparison.warnings, *comparison.notes]
    sections = [Section(heading="Scores", lines=lines, columns=columns, rows=rows)]
    if comparison.options:
        options = [[key, *map(_option, values)] for key, values in comparison.options.items()]
        columns = ["option", *comparison.names]
        sections.append(Section(heading="Options that differ", columns=columns, rows=options))
    evaluators = {files.run.config.train.evaluator for files in comparison.runs}
    name = evaluators.pop() if len(evaluators) == 1 else "score"
    charts = [
        line_chart(
            _curves(comparison, key),
            x_name="epoch",
            y_name=text.format(name).lower(),
            caption=text.format(name),
        )
        for key, text in CURVES.items()
    ]
    return [*sections, Section(heading="Learning", charts=charts)]


def _curves(comparison: Comparison, key: str) -> list[Curve]:
    return [
        Curve(
            label=name,
            x=[row["epoch"] for row in files.history],
            y=[row[key] for row in files.history],
        )
        for name, files in zip(comparison.names, comparison.runs, strict=True)
    ]
