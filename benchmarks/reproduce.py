"""What accuracy does each recipe reach, and what does its source report?

The measured values come only from the files in benchmarks/results/, unchanged from the runs. --add copies the files
of a finished run there; --readme writes the table into docs/recipes.md. `PUBLISHED` holds what the sources report.
"""

import csv
import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import project
from benchmarks.harness.benchmark import command_parser
from benchmarks.harness.markdown import RECIPES, RESULTS, markdown, rewrite
from learning.errors import CheckpointError, DirectoryInUseError, UsageError
from learning.terminal.command import announce

RUN_FILES = ("test.json", "run.json", "history.csv", "timing.csv")
PEER_OF, PEER_FILES = "resnet20-cifar10-fast", "cifar10-peer-seed*.json"  # a file for each seed
COLUMNS = ("recipe", "source", "published", "measured", "images", "minutes", "epochs", "date")
NOT_RUN = "not run yet"


class Published(NamedTuple):
    """The source of a recipe, and the accuracy that it reports."""

    source: str
    accuracy: str


PUBLISHED = {
    "alexnet-asirra": Published("AlexNet post", "none stated"),
    "alexnet-asirra-short": Published("AlexNet post, shortened", ""),
    "digits": Published("own default", ""),
    "efficientnet-asirra": Published("own choice", "to beat: resnet-asirra, 93.72% / 94.36%"),
    "finetune-resnet50": Published("own default", ""),
    "folder": Published("own default", ""),
    "folder-scratch": Published("own default", ""),
    "mini-resnet-mnist": Published("ResNet post for MNIST", "none stated; target 99.3%"),
    "plainnet50-asirra-post": Published("ResNet-50/101/152 post", "53% (validation)"),
    "resnet-asirra": Published("own choice", "to beat: alexnet-asirra-short, 87.44% / 88.32%"),
    "resnet18-mnist": Published("ResNet post for MNIST", "none stated; target 99.3%"),
    "resnet20-cifar10-fast": Published("PyTorch reference, the same files", ""),  # see `_peer`
    "resnet20-cifar10-paper": Published("He et al. 2016, table 6", "91.25% (official lossless files)"),
    "resnet20-cifar10-post": Published("CIFAR post", "77.19% (official lossless files)"),
    "resnet50-asirra-post": Published("ResNet-50/101/152 post", "73% (validation)"),
}


def row(recipe: str, results: Path = RESULTS) -> dict[str, str]:
    """Return a row of the table by COLUMNS; without results, `measured` says so and the others are empty."""
    published = PUBLISHED.get(recipe, Published("", ""))
    folder = results / recipe
    tests = [_read_json(path) for path in sorted(folder.glob("test*.json"))]
    seconds = [float(line["seconds"]) for line in _read_csv(folder / "timing.csv")]
    return {
        "recipe": recipe,
        "source": published.source,
        "published": _peer(results) if recipe == PEER_OF else published.accuracy,
        "measured": ", ".join(map(_scores, tests)) if tests else NOT_RUN,
        "images": ", ".join(sorted({f"{test['num_images']:,} {test['split']}" for test in tests})),
        "minutes": _minutes(math.fsum(seconds)) if seconds else "",
        "epochs": str(len(_read_csv(folder / "history.csv")) or ""),
        "date": str(_read_json(folder / "run.json").get("started", ""))[:10],
    }


def _scores(test: dict[str, Any]) -> str:
    """Return the accuracies with one crop and with all crops, such as '87.44% / 88.32%'."""
    return " / ".join(f"{100 * entry['accuracy']:.2f}%" for entry in test["scores"])


def _peer(results: Path) -> str:
    """Return the PyTorch reference's accuracies and time, such as '87.45% (30 epochs, 31 minutes)'."""
    runs = [_read_json(path) for path in sorted(results.glob(PEER_FILES))]
    if not runs:
        return NOT_RUN
    accuracies = ", ".join(f"{100 * run['accuracy']:.2f}%" for run in runs)
    seconds = [run["training_seconds"] for run in runs]
    minutes = " to ".join(dict.fromkeys(map(_minutes, (min(seconds), max(seconds)))))
    return f"{accuracies} ({runs[0]['settings']['epochs']} epochs, {minutes} minutes)"


def _minutes(seconds: float) -> str:
    return "<1" if seconds < 30 else f"{seconds / 60:.0f}"


def _read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty if there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header; empty if there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(results: Path = RESULTS) -> str:
    """Return the table of all recipes."""
    return markdown(COLUMNS, (row(recipe, results).values() for recipe in project.recipe_names()))


def add(run_path: Path, recipe: str | None, results: Path = RESULTS) -> Path:
    """Copy the four files of a finished run unchanged; return the folder with the copies.

    :param recipe: None for the run's own recipe.
    :raises CheckpointError: there is no run, or it has not finished.
    :raises UsageError: the recipe does not exist.
    :raises DirectoryInUseError: the recipe already has results.
    """
    run = project.open_run(run_path)
    name = run.config.recipe if recipe is None else recipe
    if name not in project.recipe_names():
        known = ", ".join(project.recipe_names())
        raise UsageError(f"there is no recipe {name}; give one with --recipe: {known}")
    missing = [file for file in RUN_FILES if not (run.path / file).is_file()]
    if missing:
        raise CheckpointError(f"{run.path} lacks {', '.join(missing)}; restore them from a copy")
    folder = results / name
    if folder.exists():
        raise DirectoryInUseError(f"{folder} holds results; remove them first to replace them")
    project.require_finished(run)  # last, because it imports TensorFlow
    folder.mkdir(parents=True)
    for file in RUN_FILES:
        shutil.copyfile(run.path / file, folder / file)
    return folder


def deviations(config: Any, recipe: str) -> list[str]:
    """Return the options in which a run differs from its recipe, ignoring the choice by `model.precision: auto`."""
    told = project.flat_options(project.recipe_config(["--config", recipe]))
    used = project.flat_options(config)
    return [
        f"{key} is {used[key]!r}, in the recipe {value!r}"
        for key, value in told.items()
        if key != "recipe" and value != used[key] and (key, value) != ("model.precision", "auto")
    ]


def main(words: Sequence[str]) -> None:
    """Add a run if the options say so, and print the table."""
    parser = command_parser("reproduce", str(__doc__))
    parser.add_argument("--readme", action="store_true", help="also write the table into docs/recipes.md")
    parser.add_argument("--add", type=Path, metavar="RUN", help="first copy the results of this finished run")
    parser.add_argument(
        "--recipe", metavar="NAME", help="recipe of the run that --add copies (default: the run's own)"
    )
    arguments = parser.parse_args(words)
    if arguments.recipe is not None and arguments.add is None:
        parser.error("--recipe needs --add RUN")
    if arguments.add is not None:
        announce(f"loading {arguments.add} ...")
        folder = add(arguments.add, arguments.recipe)
        print(f"results of {arguments.add} are now in {folder}", file=sys.stderr)
        for line in deviations(project.open_run(arguments.add).config, folder.name):
            print(f"unlike the recipe: {line}", file=sys.stderr)
    if arguments.readme:
        rewrite(RECIPES, "recipes", table())
    print(table())
