"""The program behind `export.py`."""

import argparse
from functools import partial
from typing import Any

from rich.console import Console

from datasets.errors import escape_name
from datasets.storage.paths import expanded
from learning.export.formats.table import FORMATS
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader


def export() -> None:
    """Export the weights of a run, and print where the exports are and how closely they agree with the run."""
    arguments = _parse()
    outlive_reader()  # the exports are in files
    from learning.export.plan import planned_folders
    from learning.runs.packaged_run import open_with_weights

    run = open_with_weights(arguments.run)
    planned_folders(run, arguments.formats, arguments.output, int8=arguments.int8, check_dir=arguments.check)
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning.export.exporting import export_run

    exports = export_run(
        run,
        arguments.formats,
        arguments.output,
        int8=arguments.int8,
        ten_crop=arguments.ten_crop,
        is_calibrated=arguments.calibrated,
        check_dir=arguments.check,
    )
    lines = [line for path, report in exports for line in (escape_name(path), *_lines(report))]
    Console(highlight=False, soft_wrap=True).print("\n".join(lines), markup=False)


def _lines(report: dict[str, Any]) -> list[str]:
    """Return what a report says about the size and the check."""
    check, size = report["check"], sum(file["bytes"] for file in report["files"].values())
    lines = [f"  {size / 1e6:.1f} MB; checked with {check['images']} images ({check['source']}):"]
    if "accuracy" in check and check["has_labels"]:
        rates = f"accuracy {check['accuracy']:.4f}, of the run {check['accuracy_of_run']:.4f}"
        return [*lines, f"  {rates}: a loss of {check['loss_of_accuracy']:.4f}"]
    lines.append(_agreement("images", check))
    if "encoded" in check:
        levels = check["encoded"]["largest_difference_in_levels"]
        lines.append(f"{_agreement('encoded', check['encoded'])}, pixels by up to {levels} of 255 levels")
    return lines


def _agreement(name: str, found: dict[str, Any]) -> str:
    return (
        f"  {name}: {found['same_class']} of {found['images']} in the run's class, probabilities differ by up to "
        f"{found['largest_difference']:.1g}"
    )


def _parse() -> argparse.Namespace:
    parser = ScriptParser(
        description="Export the network of a run for programs that do not have this project. The export holds "
        "crops, scale, mean and class names, and is kept only if it answers as the run does, in a process that "
        "cannot import this project."
    )
    parser.add_argument(
        "run", metavar="RUN", help="run directory, or efficientnet-lite0 for ImageNet's 1,000 classes"
    )
    parser.add_argument(
        "--format",
        action="append",
        choices=FORMATS,
        dest="formats",
        help="repeat the option for several formats (default: saved_model)",
    )
    parser.add_argument(
        "--output",
        type=expanded,
        metavar="DIR",
        help="folder for the exports, with a subfolder for each format (default: RUN/export; for a published run "
        "runs/exports/NAME)",
    )
    parser.add_argument("--int8", action="store_true", help="tflite: compute in integers only")
    parser.add_argument(
        "--ten-crop",
        action="store_true",
        help="average over all test crops, usually ten: slower, more accurate",
    )
    parser.add_argument(
        "--calibrated", action="store_true", help="divide the logits by the temperature that test.py fitted"
    )
    parser.add_argument(
        "--check",
        metavar="DIR",
        help="images to check with, labelled or not (default: those that the run held out)",
    )
    arguments, rest = parser.parse_known_args()
    if rest and not FORMATS.keys().isdisjoint([arguments.run, *rest]):
        parser.error(
            f"unexpected {' '.join(rest)}; to export several formats, repeat --format: --format onnx "
            "--format tflite"
        )
    parser.refuse(rest)
    arguments.formats = list(dict.fromkeys(arguments.formats or ["saved_model"]))
    return arguments


run_export = partial(run_script, export)
