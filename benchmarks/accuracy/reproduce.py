"""All recipes: what their sources reached, and what they reached here.

    python -m benchmarks.accuracy.reproduce [--readme]
    python -m benchmarks.accuracy.reproduce --add RUN [--recipe NAME]

The recipes are those in configs/. What was measured comes from the committed files in benchmarks/results/ alone, as
the runs wrote them; --add copies those of a finished run there, --readme puts the table into docs/recipes.md. What
was published stands in `PUBLISHED`.
"""

import argparse
import csv
import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.harness import documents
from learning.config.command_line import parse_train
from learning.config.recipes import CONFIGS, flatten
from learning.config.run_config import PLACES, RunConfig
from learning.errors import CheckpointError, DirectoryInUseError, UsageError
from learning.runs.directory import RunDirectory
from learning.terminal.command import ScriptParser, announce, run_script

PAGE = documents.RECIPES
RESULTS = Path(__file__).resolve().parents[1] / "results"
RUN_FILES = ("test.json", "run.json", "history.csv", "timing.csv")
PEER_OF, PEER_FILES = "resnet20-cifar10-fast", "cifar10-peer-seed*.json"  # a file for each seed
COLUMNS = ("recipe", "source", "published", "measured", "images", "minutes", "epochs", "date")
NOT_RUN = "not run yet"


class Published(NamedTuple):
    """Where a recipe comes from, and the accuracy that its source states."""

    source: str
    accuracy: str


PUBLISHED = {
    "alexnet-asirra": Published("AlexNet post", "none stated"),
    "alexnet-asirra-short": Published("AlexNet post, shortened", ""),
    "digits": Published("own default", ""),
    "folder": Published("own default", ""),
    "mini-resnet-mnist": Published("ResNet post for MNIST", "none stated; target 99.3%"),
    "plainnet50-asirra-post": Published("ResNet-50/101/152 post", "53% (validation)"),
    "resnet-asirra": Published("own choice", "to beat: alexnet-asirra-short, 87.44% / 88.32%"),
    "resnet18-mnist": Published("ResNet post for MNIST", "none stated; target 99.3%"),
    "resnet20-cifar10-fast": Published("PyTorch reference, the same files", ""),  # see `_peer`
    "resnet20-cifar10-paper": Published("He et al. 2016, table 6", "91.25% (official lossless files)"),
    "resnet20-cifar10-post": Published("CIFAR post", "77.19% (official lossless files)"),
    "resnet50-asirra-post": Published("ResNet-50/101/152 post", "73% (validation)"),
}


def recipes(configs: Path = CONFIGS) -> list[str]:
    """The names of all recipes."""
    return sorted(path.stem for path in configs.glob("*.yaml"))


def row(recipe: str, results: Path = RESULTS) -> dict[str, str]:
    """One line of the table, by COLUMNS. Without results `measured` says so and what belongs to it is empty."""
    published = PUBLISHED.get(recipe, Published("", ""))
    if recipe == PEER_OF:
        published = published._replace(accuracy=_peer(results))
    folder = results / recipe
    tests = [read_json(path) for path in sorted(folder.glob("test*.json"))]
    measured = ", ".join(map(_scores, tests)) if tests else NOT_RUN
    images = ", ".join(sorted({f"{test['num_images']:,} {test['split']}" for test in tests}))
    seconds = [float(line["seconds"]) for line in read_csv(folder / "timing.csv")]
    info = read_json(folder / "run.json")
    values = {
        "recipe": recipe,
        "source": published.source,
        "published": published.accuracy,
        "measured": measured,
        "images": images,
        "minutes": _minutes(math.fsum(seconds)) if seconds else "",
        "epochs": str(len(read_csv(folder / "history.csv")) or ""),
        "date": str(info.get("started", ""))[:10],
    }
    return {column: values[column] for column in COLUMNS}


def _scores(test: dict[str, Any]) -> str:
    """Accuracies with one crop and with all: '87.44% / 88.32%'."""
    return " / ".join(f"{100 * entry['accuracy']:.2f}%" for entry in test["scores"])


def _peer(results: Path) -> str:
    """What the PyTorch reference reached with each seed, and its time: '87.45% (30 epochs, 31 minutes)'."""
    runs = [read_json(path) for path in sorted(results.glob(PEER_FILES))]
    if not runs:
        return NOT_RUN
    accuracies = ", ".join(f"{100 * run['accuracy']:.2f}%" for run in runs)
    seconds = [run["training_seconds"] for run in runs]
    minutes = " to ".join(dict.fromkeys(map(_minutes, (min(seconds), max(seconds)))))
    return f"{accuracies} ({runs[0]['settings']['epochs']} epochs, {minutes} minutes)"


def _minutes(seconds: float) -> str:
    return "<1" if seconds < 30 else f"{seconds / 60:.0f}"


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """The table for a Markdown file."""
    return documents.markdown(COLUMNS, (row.values() for row in rows))


def print_table(rows: Sequence[dict[str, str]]) -> None:
    """The table for a terminal; where the output goes to a file, as wide as it is."""
    table = Table(title="recipes: accuracy with one crop / with all")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("minutes", "epochs") else "left")
    for line in rows:
        table.add_row(*line.values())
    Console(width=None if sys.stdout.isatty() else 240, highlight=False).print(table)


def add(run_path: Path, recipe: str | None, results: Path = RESULTS, configs: Path = CONFIGS) -> Path:
    """Copy the four files of a finished run, unchanged; returns the folder that now holds them.

    :param recipe: None for the one that the run names.
    :raises CheckpointError: no run, or one that is not finished. UsageError: no such recipe.
    :raises DirectoryInUseError: there are results of that recipe.
    """
    from learning.publish import finished_state

    run = RunDirectory(run_path)
    name = run.config.recipe if recipe is None else recipe
    if name not in recipes(configs):
        raise UsageError(f"there is no recipe {name}; give one with --recipe: {', '.join(recipes(configs))}")
    missing = [file for file in RUN_FILES if not (run.path / file).is_file()]
    if missing:
        raise CheckpointError(f"{run.path} lacks {', '.join(missing)}; restore them from a copy")
    folder = results / name
    if folder.exists():
        raise DirectoryInUseError(
            f"{folder} holds results; remove them first, if others are to take their place"
        )
    finished_state(run)  # last, because it imports TensorFlow
    folder.mkdir(parents=True)
    for file in RUN_FILES:
        shutil.copyfile(run.path / file, folder / file)
    return folder


def deviations(config: RunConfig, recipe: str) -> list[str]:
    """The options in which a run differs from the recipe that its results are to stand for.

    Places do not count, nor does what was taken for `model.precision: auto`.
    """
    told = flatten(parse_train(["--config", str(CONFIGS / f"{recipe}.yaml")]).config.as_dict())
    used = flatten(config.as_dict())
    return [
        f"{key} is {used[key]!r}, in the recipe {value!r}"
        for key, value in told.items()
        if key not in ("recipe", *PLACES)
        and value != used[key]
        and (key, value) != ("model.precision", "auto")
    ]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = ScriptParser(
        prog="python -m benchmarks.accuracy.reproduce", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--readme", action="store_true", help="also write the table into docs/recipes.md")
    parser.add_argument("--add", type=Path, metavar="RUN", help="first copy the results of a finished run")
    parser.add_argument(
        "--recipe", metavar="NAME", help="what --add's results are of (default: the run says)"
    )
    arguments = parser.parse_args()
    if arguments.recipe is not None and arguments.add is None:
        parser.error("--recipe means nothing without --add RUN")
    return arguments


def main() -> None:
    """Add a run if asked to, and print the table."""
    arguments = parse()
    if arguments.add is not None:
        announce(f"loading {arguments.add} ...")
        folder = add(arguments.add, arguments.recipe)
        print(f"results of {arguments.add} are now in {folder}", file=sys.stderr)
        for line in deviations(RunDirectory(arguments.add).config, folder.name):
            print(f"beside the recipe: {line}", file=sys.stderr)
    rows = [row(recipe) for recipe in recipes()]
    if arguments.readme:
        documents.rewrite(PAGE, "recipes", markdown(rows))
    print_table(rows)


if __name__ == "__main__":
    run_script(main)
