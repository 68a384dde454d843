"""Label images with the weights of a run."""

import argparse
import sys

from datasets.storage.paths import expanded
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader


def parse() -> argparse.Namespace:
    """The command line."""
    parser = ScriptParser(description=__doc__)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="image, or folder or zip of images")
    parser.add_argument("--run", metavar="RUN", help="run directory (default: the newest under runs/)")
    parser.add_argument("--top-k", type=int, default=1, metavar="K", help="classes per image (default: 1)")
    parser.add_argument(
        "--ten-crop", action="store_true", help="average over all crops of a test, mostly ten: slower, better"
    )
    parser.add_argument(
        "--output", type=expanded, metavar="FILE", help="also write the rows to a .csv or .json file"
    )
    arguments = parser.parse_args()
    if arguments.top_k < 1:
        parser.error(f"--top-k is {arguments.top_k}; it must be at least 1")
    if arguments.output and arguments.output.suffix not in (".csv", ".json"):
        parser.error(f"--output is {arguments.output}; its name must end in .csv or .json")
    return arguments


def main() -> None:
    """Parse, predict, print one line per image."""
    arguments = parse()
    from datasets.storage.atomic import check_writable
    from learning.runs.directory import RunDirectory, newest_run

    run = RunDirectory(arguments.run or newest_run())
    if arguments.output:
        check_writable(arguments.output)
        outlive_reader()  # the file counts, not what is printed
    if arguments.run is None:
        print(f"run: {run.path}", file=sys.stderr)
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning.inference import prediction

    rows = []
    for row in prediction.predict_run(
        run, arguments.paths, ten_crop=arguments.ten_crop, top_k=arguments.top_k
    ):
        print(prediction.line(row), flush=True)
        rows.append(row)
    if arguments.output:
        prediction.write_predictions(arguments.output, rows)
    prediction.require_readable(rows)


if __name__ == "__main__":
    run_script(main)
