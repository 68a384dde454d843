"""learning/publish.py: a published run predicts as the run does, and cannot be resumed."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from learning.checkpoints.checksums import write_checksums
from learning.checkpoints.store import CheckpointStore
from learning.config.run_config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
    TrainConfig,
)
from learning.errors import CheckpointError, DirectoryInUseError
from learning.fit import build_training
from learning.inference.temperature import Temperature, read_temperature, write_temperature
from learning.inference.trained import load_run
from learning.machine.session import open_session
from learning.programs.command_line import parse_train
from learning.publish import finished_state, publish
from learning.runs.data import open_data, run_info
from learning.runs.directory import RunDirectory
from learning.runs.network import build_model
from learning.runs.seen_images import keep_digests
from tests.support.scripts import call_main

FILES = {
    "config.yaml",
    "run.json",
    "test.json",
    "calibration.json",
    "checkpoints/step-{step:08d}/model.ckpt.data-00000-of-00001",
    "checkpoints/step-{step:08d}/model.ckpt.index",
    "checkpoints/step-{step:08d}/state.json",
    "checkpoints/step-{step:08d}/checksums.json",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Train a run of three epochs of two updates, without pictures; its last epoch is not its best."""
    config = RunConfig(
        data=DataConfig(name="digits", image_size=12, crop_size=10, channels=1, reflect=False),
        model=ModelConfig(name="smallnet", options={"width": 2}),
        optimizer=OptimizerConfig(name="nesterov", init_learning_rate=0.05),
        schedule=ScheduleConfig(name="cosine"),
        train=TrainConfig(batch_size=512, num_epochs=3, augment_pred=False),
    )
    splits = open_data(config)
    optimizer = build_training(config, splits)
    path = tmp_path_factory.mktemp("publish") / "run"
    run = RunDirectory.create(path, config, run_info(splits, (10, 10, 1)))
    keep_digests(path, splits)
    with open_session(optimizer.model) as sess:
        optimizer.train(sess, path, verbose=False)
    store = CheckpointStore(path)
    state = store.newest_state()
    if state.best_step == state.global_step:  # let the epoch before have been the best
        steps = store.steps()
        state.best_step, state.best_epoch = steps[-2], state.epoch - 1
        (store.path(steps[-1]) / "state.json").write_text(state.to_json())
        write_checksums(store.path(steps[-1]))
    write_scores(run)
    return run


def write_scores(run):
    """Write a test.json for the weights that count."""
    store = CheckpointStore(run.path, select=run.config.train.select)
    _, epoch = store.selected(store.newest_state())
    errors = [{"file": "private.jpg", "picture": "test-errors/00.jpg"}]
    (run.path / "test.json").write_text(json.dumps({"num_images": 359, "epoch": epoch, "errors": errors}))
    write_temperature(run.path, Temperature(1.5), epoch)


@pytest.fixture(scope="module", params=["best", "last"])
def published(request, finished, tmp_path_factory):
    """Publish a run that is tested with its best or last weights; returns the run and the folder."""
    root = tmp_path_factory.mktemp(request.param)
    run = RunDirectory(shutil.copytree(finished.path, root / "run"))
    train_config = dataclasses.replace(run.config.train, select=request.param)
    run.update(dataclasses.replace(run.config, train=train_config))
    write_scores(run)
    publish(run, root / "pretrained" / "tiny")
    return run, RunDirectory(root / "pretrained" / "tiny")


def predictions(run, dataset):
    """Return the run's predictions with one crop and with all, and the epoch of the weights."""
    model, sess, epoch = load_run(run)
    with sess:
        return [model.predict(sess, dataset, augment_pred=many) for many in (False, True)], epoch


def test_predictions_are_those_of_the_run_to_the_bit(published):
    run, small = published
    test_set = open_data(small.config, small).test
    (before, epoch), (after, small_epoch) = predictions(run, test_set), predictions(small, test_set)
    assert epoch == small_epoch
    assert (epoch == 3) == (run.config.train.select == "last")
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_published_run_has_only_the_files_that_testing_needs(published):
    run, small = published
    (step,) = CheckpointStore(small.path).steps()
    files = {str(path.relative_to(small.path)) for path in small.path.rglob("*") if path.is_file()}
    assert files - {".lock"} == {name.format(step=step) for name in FILES}
    prefix = str(CheckpointStore(small.path).path(step) / "model.ckpt")
    saved = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    saved.pop("_CHECKPOINTABLE_OBJECT_GRAPH", None)
    model = build_model(run.config, run.input_shape, len(run.class_names))
    assert set(saved) == {v.op.name for v in model.variables}
    results = json.loads((run.path / "test.json").read_text())
    assert results.pop("errors")
    assert json.loads((small.path / "test.json").read_text()) == results
    assert read_temperature(small) == 1.5
    assert json.loads((run.path / "run.json").read_text())["bad_files"] == []
    assert "bad_files" not in small.info
    assert small.info == {key: run.info[key] for key in small.info if key != "published"} | {
        "published": True
    }
    assert CheckpointStore(small.path).newest_state().step_losses == []


def test_a_test_leaves_a_published_run_as_it_is(published, tmp_path, monkeypatch, capsys):
    _, small = published
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in small.path.rglob("*") if path.is_file()}
    call_main("test.py", "--run", small.path)
    assert {path: path.read_bytes() for path in small.path.rglob("*") if path.is_file()} == before
    folder = Path("runs", "tests", "tiny")
    assert f"written: {folder / 'test.json'}, test-confusion.png" in capsys.readouterr().out
    assert json.loads((tmp_path / folder / "test.json").read_text())["num_images"] == 359


def test_a_resume_is_refused(published):
    _, small = published
    before = {path: path.read_bytes() for path in small.path.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="holds no optimizer state"):
        parse_train(["--resume", str(small.path)])
    assert {path: path.read_bytes() for path in small.path.rglob("*") if path.is_file()} == before


def test_an_existing_target_stays(finished, tmp_path):
    (tmp_path / "own.txt").write_text("mine")
    with pytest.raises(DirectoryInUseError, match="exists"):
        publish(finished, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["own.txt"]


def test_what_was_published_is_not_published_again(published, tmp_path):
    with pytest.raises(CheckpointError, match="was published already; copy the folder"):
        publish(published[1], tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_run_is_refused(finished, tmp_path):
    longer = RunDirectory(finished.path)
    train_config = dataclasses.replace(longer.config.train, num_epochs=4)
    longer.config = dataclasses.replace(longer.config, train=train_config)
    with pytest.raises(CheckpointError, match="not finished: 3 of 4 epochs"):
        publish(longer, tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_run_that_stopped_early_is_finished(finished, tmp_path):
    run = RunDirectory(shutil.copytree(finished.path, tmp_path / "run"))
    store = CheckpointStore(run.path)
    state = store.newest_state()
    state.best_epoch, state.best_step = 1, store.steps()[0]
    (store.path(state.global_step) / "state.json").write_text(state.to_json())
    write_checksums(store.path(state.global_step))
    train_config = dataclasses.replace(run.config.train, num_epochs=9)
    write_scores(run)
    for patience, is_finished in ((2, False), (1, True)):
        schedule = dataclasses.replace(run.config.schedule, early_stopping_patience=patience)
        run.config = dataclasses.replace(run.config, train=train_config, schedule=schedule)
        if is_finished:
            assert finished_state(run).epoch == 3
        else:
            with pytest.raises(CheckpointError, match="not finished"):
                finished_state(run)


@pytest.mark.parametrize("scores", [None, '{"epoch": 3}', "{}"])
def test_scores_of_other_weights_are_not_published(finished, tmp_path, scores):
    run = RunDirectory(shutil.copytree(finished.path, tmp_path / "run"))
    (run.path / "test.json").unlink()
    if scores is not None:
        (run.path / "test.json").write_text(scores)
    with pytest.raises(
        CheckpointError, match=r"no scores of the selected weights, those of epoch \d; .*test.py"
    ):
        publish(run, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_paths_are_left_out(finished, tmp_path):
    private = RunDirectory(finished.path)
    private.config = dataclasses.replace(
        private.config,
        data_dir="/home/somebody/photos",
        data=dataclasses.replace(private.config.data, cache_dir="/home/somebody/cache", download=True),
    )
    private.info = {**private.info, "bad_files": [["somebody.jpg", "not an image"]]}
    publish(private, tmp_path / "new")
    for path in (tmp_path / "new").rglob("*"):
        assert path.is_dir() or b"somebody" not in path.read_bytes()
    assert not RunDirectory(tmp_path / "new").config.data.download


@pytest.mark.fault(29)
def test_damaged_weights_are_not_published_with_the_scores_of_others(finished, tmp_path):
    run = RunDirectory(shutil.copytree(finished.path, tmp_path / "run"))
    store = CheckpointStore(run.path)
    state = store.newest_state()
    (store.path(state.best_step) / "model.ckpt.index").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"step-0000000\d is damaged: model.ckpt.index has 0 bytes"):
        publish(run, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
