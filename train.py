"""Train a classifier, test its weights, say where the run lies. `python train.py --help` lists the options."""

from pathlib import Path

from learning.config.command_line import parse_train
from learning.terminal.command import announce, run_script
from learning.terminal.output import outlive_reader


def main() -> None:
    """Parse, train, print the scores."""
    arguments = parse_train()
    outlive_reader()  # the files count, not what is printed
    from learning.fit import fit
    from learning.runs.directory import default_path

    path = Path(arguments.resume or arguments.run_dir or default_path(arguments.config.recipe))
    announce("starting TensorFlow and loading the data ...")
    results = fit(arguments.config, path, resume=arguments.resume is not None)
    from learning.inference.evaluation import score_lines
    from learning.reports.run_page import PAGE_FILE

    print("\n".join([*score_lines(results), f"run: {path}", f"page: {path / PAGE_FILE}"]))


if __name__ == "__main__":
    run_script(main)
