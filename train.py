"""Train a classifier, test its best weights, say where the run lies. `python train.py --help` lists the options."""

from pathlib import Path

from learning.cli import announce, parse_train, run_script


def main() -> None:
    """Parse, build, train, print the scores."""
    arguments = parse_train()
    config = arguments.config
    from learning.run_directory import RunDirectory, check_free, default_path

    resumed = arguments.resume is not None
    path = Path(arguments.resume or arguments.run_dir or default_path(config.recipe))
    if not resumed:
        check_free(path)

    announce("starting TensorFlow and loading the data ...")
    from learning import experiment
    from learning.evaluation import evaluate, score_lines, write_results
    from learning.page import write_run_page

    splits = experiment.open_data(config)
    if resumed:
        experiment.check_same_data(RunDirectory(path), splits)
    train_set = splits.train
    input_shape = (train_set.crop_size, train_set.crop_size, train_set.images.shape[-1])
    model = experiment.build_model(config, input_shape, len(splits.class_names), train_set.image_mean)
    optimizer = experiment.build_optimizer(config, model, splits)
    RunDirectory.create(path, config, experiment.run_info(splits, input_shape), resumed=resumed)
    experiment.draw_training_images(train_set, path, augment=config.train.augment_train)
    print("\n".join(experiment.summary_lines(config, model, splits, path)), flush=True)

    with experiment.open_session(model, config.train.threads) as sess:
        optimizer.train(sess, path, resume=resumed)
        epoch = experiment.load_best(sess, model, path)
        dataset, split = experiment.held_out(splits)
        results = evaluate(
            sess, model, dataset, evaluator=config.train.evaluator, batch_size=config.train.batch_size
        )
    results |= {"split": split, "epoch": epoch}
    write_results(results, path, "test")
    page = write_run_page(path)
    print("\n".join([*score_lines(results), f"run: {path}", f"page: {page}"]))


if __name__ == "__main__":
    run_script(main)
