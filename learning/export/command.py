"""The program behind `export.py`."""

import argparse
from functools import partial

from rich.console import Console

from datasets.storage.paths import expanded
from learning.export.formats import FORMATS
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader


def export() -> None:
    """Export the weights of a run, and print where the exports are and how closely they agree with the run."""
    arguments = _parse()
    outlive_reader()  # the exports are in files
    from learning.runs.packaged_run import open_run

    run = open_run(arguments.run)
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning.export.exporting import export_run

    exports = export_run(
        run,
        arguments.format or ["saved_model"],
        arguments.output,
        ten_crop=arguments.ten_crop,
        check_dir=arguments.check,
    )
    console = Console(highlight=False, soft_wrap=True)
    for made in exports:
        console.print(f"{made.path}: {made.report['check']}", markup=False)


def _parse() -> argparse.Namespace:
    parser = ScriptParser(
        description="Export the network of a run for programs that do not have this project."
    )
    parser.add_argument("run", metavar="RUN", help="run directory, or efficientnet-lite0")
    parser.add_argument("--format", nargs="+", choices=FORMATS, help="any of them (default: saved_model)")
    parser.add_argument("--output", type=expanded, metavar="DIR", help="default: RUN/export")
    parser.add_argument("--ten-crop", action="store_true", help="average over all test crops")
    parser.add_argument("--check", metavar="DIR", help="images to check with")
    return parser.parse_args()


run_export = partial(run_script, export)
