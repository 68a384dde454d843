"""Test the weights of a run, with one crop and with ten.

Five where nothing is mirrored; two, the image and its mirror image, where crops are as large as the images.
"""

import argparse

from datasets.storage.paths import expanded
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader


def parse() -> argparse.Namespace:
    """The command line."""
    parser = ScriptParser(description=__doc__)
    parser.add_argument("--run", metavar="RUN", help="run directory (default: the newest under runs/)")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="any labelled folder or zip: its test/ where it has train/ and test/, else all of it; for a run on "
        "cifar10 or mnist also the official files (default: what the run held out)",
    )
    parser.add_argument(
        "--output",
        type=expanded,
        metavar="DIR",
        help="folder for the results (default: the run's own; of a published run runs/tests/NAME)",
    )
    return parser.parse_args()


def main() -> None:
    """Parse, test, print."""
    arguments = parse()
    outlive_reader()  # the files count, not what is printed
    from learning.runs.directory import RunDirectory, newest_run

    run = RunDirectory(arguments.run or newest_run())
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning.inference.evaluation import detail_lines, evaluate_run, score_lines

    results, files = evaluate_run(run, arguments.data_dir, arguments.output)
    print("\n".join([f"run: {run.path}", *score_lines(results), *detail_lines(results)]))
    print(f"written: {', '.join([str(files[0]), *(path.name for path in files[1:])])}")


if __name__ == "__main__":
    run_script(main)
