"""What bfloat16 costs in accuracy: a recipe trained in both precisions with several seeds.

    python -m benchmarks.accuracy.precision RUNS_DIR [--recipe digits] [--data-dir DIR] [--epochs N] [--seeds 0 1 2]

Every run is one of `train.py`, in RUNS_DIR/<recipe>-<precision>-seed<seed>; finished ones are not repeated and
unfinished ones go on. What is compared is the accuracy on the recipe's test set with one crop: the difference of
the means, beside how far the seeds alone lie apart.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.runs import bring_to_end
from benchmarks.harness.figures import environment, write
from benchmarks.harness.hardware import PRECISIONS, emulation
from datasets.storage.atomic import check_writable
from learning.errors import UsageError
from learning.machine.cpu import usable_cores
from learning.terminal.command import ScriptParser, run_script


def options_of(arguments: argparse.Namespace, precision: str, seed: int) -> list[str]:
    """What `train.py` is called with, without paths."""
    length = [] if arguments.epochs is None else ["--train.num_epochs", str(arguments.epochs)]
    return ["--config", arguments.recipe, "--precision", precision, "--train.seed", str(seed), *length]


def accuracies(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """The test accuracy of each seed by precision; trains what is missing, the precisions in turns."""
    found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in arguments.seeds:
        for precision in PRECISIONS:
            path = arguments.runs_dir / f"{arguments.recipe}-{precision}-seed{seed}"
            bring_to_end(path, options_of(arguments, precision, seed), arguments.data_dir)
            scores = json.loads((path / "test.json").read_text(encoding="utf-8"))["scores"]
            found[precision].append(scores[0]["accuracy"])
    return found


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    """Mean and range of each precision, and how far bfloat16's mean lies above that of float32."""
    means = {precision: statistics.fmean(values) for precision, values in found.items()}
    return {
        "accuracies": found,
        "means": means,
        "ranges": {precision: [min(values), max(values)] for precision, values in found.items()},
        "difference": means["bfloat16"] - means["float32"],
    }


def print_summary(recipe: str, found: dict[str, Any]) -> None:
    """The result for people."""
    table = Table(title=f"test accuracy of {recipe}, one crop")
    for column in ("precision", "mean", "smallest", "largest"):
        table.add_column(column, justify="left" if column == "precision" else "right")
    for precision, mean in found["means"].items():
        smallest, largest = found["ranges"][precision]
        table.add_row(precision, f"{mean:.4f}", f"{smallest:.4f}", f"{largest:.4f}")
    Console().print(table)
    print(f"bfloat16 - float32: {found['difference']:+.4f}")


def parse() -> argparse.Namespace:
    """The command line, with absolute paths."""
    parser = ScriptParser(
        prog="python -m benchmarks.accuracy.precision", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("runs_dir", type=Path, metavar="RUNS_DIR", help="where the runs go")
    parser.add_argument("--recipe", default="digits", help="of configs/ (default: digits)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the recipe's images are")
    parser.add_argument("--epochs", type=int, help="of each run (default: the recipe's)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument(
        "--emulated", action="store_true", help="also where bfloat16 is emulated, which is slow"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    arguments = parser.parse_args()
    lack = emulation()
    if lack and not arguments.emulated:
        raise UsageError(
            f"bfloat16 is emulated here: {lack}; give --emulated, if the runs may take their time"
        )
    if arguments.output:
        check_writable(arguments.output)
    arguments.runs_dir = arguments.runs_dir.resolve()
    arguments.data_dir = arguments.data_dir and arguments.data_dir.resolve()
    return arguments


def main() -> None:
    """Train what is missing, print, and write the figures to a file if asked to."""
    arguments = parse()
    found = summary(accuracies(arguments))
    print_summary(arguments.recipe, found)
    if arguments.output:
        conditions = {"recipe": arguments.recipe, "epochs": arguments.epochs, "seeds": arguments.seeds}
        write(arguments.output, {"environment": environment(usable_cores()), **conditions, **found})


if __name__ == "__main__":
    run_script(main)
