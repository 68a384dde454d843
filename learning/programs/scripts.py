"""The programs behind the scripts and the installed commands: train, test and predict."""

import argparse
import sys
from functools import partial
from pathlib import Path

from datasets.storage.paths import expanded
from learning.programs.command_line import parse_train
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader


def train() -> None:
    """Train a network, test its weights, and print the scores and where the run is."""
    arguments = parse_train()
    outlive_reader()  # the results are in files
    from learning.fit import fit
    from learning.runs.directory import default_path

    path = Path(arguments.resume or arguments.run_dir or default_path(arguments.config.recipe))
    announce("starting TensorFlow and loading the data ...")
    results = fit(arguments.config, path, resume=arguments.resume is not None)
    if not results:  # of several workers, one speaks
        return
    from learning.reports.run_page import PAGE_FILE
    from learning.reports.scores import score_lines

    print("\n".join([*score_lines(results), f"run: {path}", f"page: {path / PAGE_FILE}"]))


def test() -> None:
    """Test the weights of a run, and print the scores and the confusion matrix."""
    arguments = _parse_test()
    outlive_reader()  # the results are in files
    from learning.runs.data import check_images
    from learning.runs.packaged_run import open_with_weights

    run = open_with_weights(arguments.run)
    check_images(run.config, run, arguments.data_dir)
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning.evaluation.run_test import evaluate_run
    from learning.reports.run_page import write_run_page
    from learning.reports.scores import detail_lines, score_lines

    all_crops = None if arguments.crops is None else arguments.crops == "all"
    results, files = evaluate_run(
        run, arguments.data_dir, arguments.output, all_crops=all_crops, label_issues=arguments.label_issues
    )
    if files[0].parent == run.path:  # which is not so for a published run, or with --output
        files.append(write_run_page(run.path))
    print("\n".join([f"run: {run.path}", *score_lines(results), *detail_lines(results)]))
    print(f"written: {', '.join([str(files[0]), *(path.name for path in files[1:])])}")


def _parse_test() -> argparse.Namespace:
    parser = ScriptParser(
        description="Test the weights of a run, with one crop and with all test crops: ten, or five if images are "
        "not mirrored. If crops are as large as the images: two, the image and its mirror image, or one."
    )
    parser.add_argument("--run", metavar="RUN", help="run directory (default: the newest under runs/)")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="any labelled folder or zip: only its test/ if it has train/ and test/, otherwise all of it; for a "
        "run on cifar10 or mnist also the official files (default: what the run held out)",
    )
    parser.add_argument(
        "--output",
        type=expanded,
        metavar="DIR",
        help="folder for the results (default: the run's own; for a published run runs/tests/NAME)",
    )
    parser.add_argument(
        "--crops",
        choices=("all", "one"),
        help="test with the centre crop and with all crops, or only with the centre crop, which is faster "
        "(default: the run's train.test_crops, all unless it was set)",
    )
    parser.add_argument(
        "--label-issues",
        action="store_true",
        help="also list the images whose labels may be wrong, the most suspicious first",
    )
    return parser.parse_args()


def predict() -> None:
    """Label images with the weights of a run, and print one line per image."""
    arguments = _parse_predict()
    from datasets.storage.atomic import check_writable
    from learning.runs.packaged_run import open_with_weights
    from learning.terminal.image_files import image_files

    run = open_with_weights(arguments.run)
    files = image_files(arguments.paths)
    for option in ("--output", "--embed"):
        if path := getattr(arguments, option.strip("-")):
            check_writable(path, option)
    if arguments.output or arguments.embed or arguments.explain:
        outlive_reader()  # the results are in files
    if arguments.run is None:
        print(f"run: {run.path}", file=sys.stderr)
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning.inference import prediction

    rows = []
    names = ("ten_crop", "top_k", "calibrated", "explain", "embed", "layer")
    options = {name: getattr(arguments, name) for name in names}
    for row in prediction.predict_run(run, files, **options):
        print(prediction.line(row), flush=True)
        rows.append(row)
    if arguments.output:
        prediction.write_predictions(arguments.output, rows)
    prediction.require_readable(rows)


def _parse_predict() -> argparse.Namespace:
    parser = ScriptParser(description="Label images with the weights of a run.")
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="image, or folder, zip or tar archive of images"
    )
    parser.add_argument(
        "--run",
        metavar="RUN",
        help="run directory (default: the newest under runs/), or efficientnet-lite0: ImageNet's 1,000 classes "
        "without any training",
    )
    parser.add_argument("--top-k", type=int, default=1, metavar="K", help="classes per image (default: 1)")
    parser.add_argument(
        "--ten-crop",
        action="store_true",
        help="average over all test crops, usually ten: slower, more accurate",
    )
    parser.add_argument(
        "--output", type=expanded, metavar="FILE", help="also write the rows to a .csv or .json file"
    )
    parser.add_argument(
        "--calibrated",
        action="store_true",
        help="apply the temperature that was fitted on the validation set to the probabilities",
    )
    parser.add_argument(
        "--explain",
        type=expanded,
        metavar="DIR",
        help="also write a picture of each image to DIR, with the regions that support its class (Grad-CAM)",
    )
    parser.add_argument(
        "--embed",
        type=expanded,
        metavar="FILE",
        help="also write what the last layer reads, for each image, to an .npz file",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="the tensor for --explain (default: the last feature map) and --embed (default: features); "
        "python -m models.summary NETWORK lists the names",
    )
    arguments = parser.parse_args()
    if arguments.top_k < 1:
        parser.error(f"--top-k is {arguments.top_k}; it must be at least 1")
    if arguments.output and arguments.output.suffix not in (".csv", ".json"):
        parser.error(f"--output is {arguments.output}; its name must end in .csv or .json")
    if arguments.embed and arguments.embed.suffix != ".npz":
        parser.error(f"--embed is {arguments.embed}; its name must end in .npz")
    if arguments.layer is not None and not (arguments.explain or arguments.embed):
        parser.error("--layer is for --explain and --embed; give one of them too")
    return arguments


run_train, run_test, run_predict = (partial(run_script, program) for program in (train, test, predict))
