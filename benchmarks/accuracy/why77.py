"""Why the CIFAR post's ResNet-20 stops at 77%: from its recipe to the paper's, one change after another.

    python -m benchmarks.accuracy.why77 DATA_DIR RUNS_DIR [--epochs 20] [--seeds 0 1] [--limit N] [--report]

Each row of `ROWS` adds its options to those of the row before; every row is trained with every seed by
`train.py`, into RUNS_DIR/<row>-seed<seed>. A finished run is not repeated and an unfinished one goes on, so
the whole may be interrupted and called again. At the end, or at once with --report, the runs become
benchmarks/results/why-77.json, docs/why-77.png and the table in docs/why-77.md.
"""

import argparse
import shlex
from pathlib import Path
from typing import NamedTuple

from benchmarks.accuracy.runs import ROOT, bring_to_end, next_arguments
from benchmarks.harness.commands import cifar10_parser
from learning.terminal.command import run_script

RECIPE = "resnet20-cifar10-post"


class Row(NamedTuple):
    """A step of the way: what changes, and the options of `train.py` that change it."""

    name: str
    sentence: str
    options: tuple[str, ...]


ROWS = (
    Row("as-written", "The post's recipe as it is written.", ()),
    Row(
        "fresh-augmentation",
        "Crops and reflections are drawn anew in every epoch, not once before training.",
        ("--data.redraw", "true"),
    ),
    Row(
        "padding-4",
        "The frame that crops may reach into is 4 pixels a side, not 2.",
        ("--data.padding", "4"),
    ),
    Row(
        "cosine",
        "The learning rate warms up for two epochs and follows a cosine down to zero; nothing stops early.",
        (
            *("--schedule.name", "cosine", "--schedule.min_learning_rate", "0"),
            *("--schedule.early_stopping_patience", "null", "--schedule.warmup_steps", "700"),
        ),
    ),
    Row(
        "shortcut-a",
        "Shortcuts have no parameters (option A of the paper), convolutions no biases.",
        ("--model.options.shortcut", "A", "--model.options.conv_biases", "false"),
    ),
    Row(
        "stride-1",
        "The first stage keeps all 32x32 pixels: its stride is 1, not 2.",
        ("--model.options.first_stage_stride", "1"),
    ),
)


def train_options(row: Row, *, seed: int, epochs: int, limit: int | None = None) -> list[str]:
    """The arguments of `train.py` that make a row, without its paths: those of the rows before, and its own."""
    before = [option for earlier in ROWS[: ROWS.index(row) + 1] for option in earlier.options]
    sample = [] if limit is None else ["--data.sample_size", str(limit)]
    return [
        *("--config", RECIPE, "--train.seed", str(seed), "--train.num_epochs", str(epochs)),
        *sample,
        *before,
    ]


def shown_command(row: Row, *, epochs: int, limit: int | None = None, seed: int = 0) -> str:
    """The command of a row, for people."""
    options = train_options(row, seed=seed, epochs=epochs, limit=limit)
    return shlex.join(["python", "train.py", *options, "--data-dir", "DIR"])


def run_path(runs_dir: Path, row: Row, seed: int) -> Path:
    """Where a row is trained with a seed."""
    return runs_dir / f"{row.name}-seed{seed}"


def complete(row: Row, seed: int, arguments: argparse.Namespace) -> None:
    """Train what one run lacks, or with --report see that it is the one that is asked for."""
    path = run_path(arguments.runs_dir, row, seed)
    options = train_options(row, seed=seed, epochs=arguments.epochs, limit=arguments.limit)
    if not arguments.report:
        bring_to_end(path, options, arguments.data_dir)
    elif next_arguments(path, options, arguments.data_dir) is not None:
        print(f"{path.name}: not finished", flush=True)


def parse() -> argparse.Namespace:
    """The command line, with absolute paths."""
    parser = cifar10_parser("why77", str(__doc__))
    parser.add_argument("runs_dir", type=Path, metavar="RUNS_DIR", help="where the runs go")
    parser.add_argument("--epochs", type=int, default=20, help="the most of each run (default: 20)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1], help="every row is trained with each (default: 0 1)"
    )
    parser.add_argument("--report", action="store_true", help="train nothing, report what is there")
    parser.add_argument(
        "--report-root",
        type=Path,
        default=ROOT,
        metavar="DIR",
        help="the folder with benchmarks/results/ and docs/ to write to (default: this clone)",
    )
    arguments = parser.parse_args()
    if arguments.limit is not None and arguments.report_root == ROOT:
        parser.error("--limit is for trying: give --report-root too, so that the real figures stay")
    arguments.data_dir = Path(arguments.data_dir).resolve()
    arguments.runs_dir = arguments.runs_dir.resolve()
    return arguments


def main() -> None:
    """Train what is missing, seed after seed, and report."""
    arguments = parse()
    for seed in arguments.seeds:
        for row in ROWS:
            complete(row, seed, arguments)
    from benchmarks.accuracy.why77_report import report

    report(arguments.runs_dir, arguments.report_root, arguments.epochs, arguments.seeds, arguments.limit)


if __name__ == "__main__":
    run_script(main)
