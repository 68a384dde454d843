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
    """Parse, load, evaluate, print."""
    arguments = parse()
    outlive_reader()  # the files count, not what is printed
    from learning.runs.directory import RunDirectory, newest_run

    run = RunDirectory(arguments.run or newest_run())
    announce(f"starting TensorFlow and loading {run.path} ...")
    from learning import experiment
    from learning.inference.evaluation import (
        detail_lines,
        evaluate,
        results_folder,
        results_name,
        score_lines,
        write_results,
    )
    from learning.runs import data as run_data

    folder = results_folder(run, arguments.output)
    if arguments.data_dir is None:
        dataset, split = run_data.held_out(run_data.open_data(run.config, run))
        name, found = "test", {}  # run.json names the unreadable files
    else:
        labelled = run_data.open_labelled(run, arguments.data_dir)
        data_dir = expanded(arguments.data_dir).resolve()
        dataset, split = labelled.dataset, arguments.data_dir
        name = results_name(folder, data_dir)
        found = {"data_dir": str(data_dir), "bad_files": labelled.bad_files}
    model, sess, epoch = experiment.load_run(run)
    train = run.config.train
    results = evaluate(sess, model, dataset, evaluator=train.evaluator, batch_size=train.batch_size)
    results |= {"split": split, "epoch": epoch, **found}
    written = write_results(results, folder, name)
    print("\n".join([f"run: {run.path}", *score_lines(results), *detail_lines(results)]))
    print(f"written: {', '.join([str(folder / written[0]), *written[1:]])}")


if __name__ == "__main__":
    run_script(main)
