"""Train a classifier, test its weights, say where the run lies. `python train.py --help` lists the options."""

from pathlib import Path

from learning.config.command_line import TrainArguments, parse_train
from learning.terminal.command import announce, run_script
from learning.terminal.output import outlive_reader


def main() -> None:
    """Parse, hold the run directory, train, print the scores."""
    arguments = parse_train()
    outlive_reader()
    from learning.runs.directory import default_path, locked

    path = Path(arguments.resume or arguments.run_dir or default_path(arguments.config.recipe))
    with locked(path, resumed=arguments.resume is not None):
        train(arguments, path)


def train(arguments: TrainArguments, path: Path) -> None:
    """Build, train, test the selected weights, write the run's page."""
    announce("starting TensorFlow and loading the data ...")
    from learning import experiment
    from learning.inference.evaluation import evaluate, score_lines, write_results
    from learning.machine.precision import with_precision
    from learning.reports.run_page import write_run_page
    from learning.runs import data as run_data
    from learning.runs.directory import RunDirectory
    from learning.runs.seen_images import keep_digests

    config, reason = with_precision(arguments.config)
    if reason:
        print(reason, flush=True)
    if arguments.resume is None:
        experiment.check_new_model(config.model)  # before images are decoded, which may take long
    run = None if arguments.resume is None else RunDirectory(path)
    splits = run_data.open_data(config, run)
    run_data.check_fits(config, splits)
    optimizer = experiment.build_training(config, splits)
    model = optimizer.model
    if run is None:
        run = RunDirectory.create(path, config, run_data.run_info(splits, model.input_shape))
    keep_digests(path, splits)
    print("\n".join(experiment.summary_lines(config, model, splits, path)), flush=True)

    with (
        experiment.drawing_training_images(splits.train, path, augment=config.train.augment_train),
        experiment.open_session(model, config.train.threads) as sess,
    ):
        optimizer.train(
            sess,
            path,
            resume=arguments.resume is not None,
            on_start=lambda: run.update(config, optimizer.state.machines),
        )
        epoch = experiment.load_selected(sess, model, path, config.train.select).epoch
        dataset, split = run_data.held_out(splits)
        results = evaluate(
            sess, model, dataset, evaluator=config.train.evaluator, batch_size=config.train.batch_size
        )
    results |= {"split": split, "epoch": epoch}
    write_results(results, path, "test")
    print("\n".join([*score_lines(results), f"run: {path}", f"page: {write_run_page(path)}"]))


if __name__ == "__main__":
    run_script(main)
