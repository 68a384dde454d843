"""learning/fit.py: training from a plain program."""

import dataclasses
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learning.callbacks import Callback
from learning.checkpoints.store import CheckpointStore
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError, DirectoryInUseError, Interrupted, UsageError
from learning.evaluation.run_test import evaluate_run
from learning.fit import fit
from learning.runs.directory import RunDirectory
from tests.support.other_process import holder

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "data": {"name": "digits", "image_size": 12, "crop_size": 10},
    "model": {"name": "smallnet", "options": {"width": 2}},
    "train": {"batch_size": 512, "num_epochs": 3, "threads": 1},
}
CONFIG = RunConfig.from_dict(SMALL)


def shorter(num_epochs):
    return dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, num_epochs=num_epochs))


def without_times(results):
    """Return the results of a test without its duration."""
    scores = [{key: value for key, value in entry.items() if key != "seconds"} for entry in results["scores"]]
    return {**results, "scores": scores}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run, and what `fit` returned."""
    path = tmp_path_factory.mktemp("fit") / "run"
    return path, fit(CONFIG, path, verbose=False)


def test_the_results_are_those_of_the_run_directory(whole, capsys):
    path, results = whole
    assert results == json.loads((path / "test.json").read_text())
    assert (results["split"], results["num_images"]) == ("test", RunDirectory(path).num_images["test"])
    assert [entry["crops"] for entry in results["scores"]] == [1, 5]
    assert RunDirectory(path).config == CONFIG
    names = {entry.name for entry in path.iterdir()}
    assert {
        "index.html",
        "history.csv",
        "learning_curves.png",
        "augmented.png",
        "test-confusion.png",
    } <= names


def test_a_run_that_was_stopped_by_a_callback_is_resumed_to_the_same_results(whole, tmp_path):
    class Stop(Exception):
        pass

    class Stopping(Callback):
        def on_step(self, training):
            if training.global_step == 3:
                raise Stop

    with pytest.raises(Stop):
        fit(CONFIG, tmp_path / "run", callbacks=[Stopping()], verbose=False)
    assert CheckpointStore(tmp_path / "run").newest_state().global_step == 3
    results = fit(CONFIG, tmp_path / "run", resume=True, verbose=False)
    assert without_times(results) == without_times(whole[1])
    for name in ("history.csv", "model.ckpt.data-00000-of-00001"):
        assert (tmp_path / "run" / name).read_bytes() == (whole[0] / name).read_bytes()


def test_a_longer_run_keeps_its_configuration(whole, tmp_path):
    fit(shorter(1), tmp_path, verbose=False)
    assert RunDirectory(tmp_path).config.train.num_epochs == 1
    results = fit(CONFIG, tmp_path, resume=True, verbose=False)
    assert RunDirectory(tmp_path).config == CONFIG
    assert without_times(results) == without_times(whole[1])


def test_what_is_shown_goes_to_standard_output_if_it_is_asked_for(tmp_path, capsys):
    fit(shorter(1), tmp_path / "quiet", verbose=False)
    assert capsys.readouterr().out == ""
    fit(shorter(1), tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["data", "model", "run", "epoch"]
    logged = (tmp_path / "run" / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("  ", maxsplit=1)[1] for line in logged] == lines


def write_photos(folder, **counts):
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def test_an_imbalanced_set_is_named_and_its_weighted_run_is_tested(tmp_path, caplog):
    write_photos(tmp_path / "photos", cat=40, dog=4)
    data = {"image_size": 12, "crop_size": 10, "test_fraction": 0, "val_fraction": 0.25}
    train = {"batch_size": 8, "num_epochs": 1, "class_weights": "balanced"}
    values = {"data_dir": str(tmp_path / "photos"), "data": data, "train": train}
    results = fit(RunConfig.from_dict(values), tmp_path / "run", verbose=False)
    assert [record.getMessage() for record in caplog.records if "imbalanced" in record.getMessage()] == [
        "the training images are imbalanced (30 cat, 3 dog), so the network may neglect small classes; choose the "
        "weights with --train.evaluator balanced_accuracy"
    ]
    cat, dog = results["per_class_recall"]
    assert results["balanced_accuracy"] == (cat + dog) / 2
    again, _ = evaluate_run(RunDirectory(tmp_path / "run"))  # whose network has no class weights
    assert again["confusion_matrix"] == results["confusion_matrix"]


def test_a_run_may_go_on_with_images_that_are_decoded_on_demand(tmp_path):
    write_photos(tmp_path / "photos", cat=10, dog=10)
    sizes = {"image_size": 12, "crop_size": 10, "cache_dir": str(tmp_path / "cache")}
    histories = []
    for stores in (("cache", "cache"), ("cache", "files")):
        path = tmp_path / "-".join(stores)
        for num_epochs, store in enumerate(stores, start=1):
            config = RunConfig.from_dict({
                "data_dir": str(tmp_path / "photos"),
                "data": {**sizes, "store": store},
                "model": {"name": "smallnet", "options": {"width": 2}},
                "train": {"batch_size": 4, "num_epochs": num_epochs},
            })  # fmt: skip
            fit(config, path, resume=num_epochs > 1, verbose=False)
        histories.append((path / "history.csv").read_text())
    assert histories[0] == histories[1]


def test_a_relative_path_is_kept_so_that_it_holds_from_anywhere(tmp_path, monkeypatch):
    write_photos(tmp_path / "photos", cat=10, dog=10)
    monkeypatch.chdir(tmp_path)
    sizes = {"image_size": 12, "crop_size": 10}
    train = {"batch_size": 4, "num_epochs": 1}
    config = RunConfig.from_dict({"data_dir": "photos", "data": sizes, "train": train})
    fit(config, "run", verbose=False)
    assert RunDirectory("run").config.data_dir == str(tmp_path.resolve() / "photos")


@pytest.mark.fault(22, 36)
def test_a_directory_in_use_is_refused_and_a_missing_run_is_not_resumed(whole, tmp_path):
    with pytest.raises(DirectoryInUseError, match="is not empty"):
        fit(CONFIG, whole[0], verbose=False)
    with holder(tmp_path / "held"), pytest.raises(DirectoryInUseError, match="is in use by process"):
        fit(CONFIG, tmp_path / "held", verbose=False)
    with pytest.raises(CheckpointError, match="does not exist"):
        fit(CONFIG, tmp_path / "missing", resume=True)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".lock").touch()
    with pytest.raises(CheckpointError, match="nothing was trained, so start again without --resume"):
        fit(CONFIG, tmp_path / "killed", resume=True)
    assert not (tmp_path / "missing").exists()


def test_a_notebook_needs_no_standard_output(tmp_path):
    code = f"""
        import sys
        from learning.config.run_config import RunConfig
        from learning.callbacks import Callback
        from learning.errors import UsageError
        from learning.fit import fit
        try:
            fit(RunConfig.from_dict({{"model": {{"name": "smalnet"}}}}), "run")
        except UsageError as error:
            print(error, file=sys.stderr)
        assert "tensorflow" not in sys.modules
        sys.stdout = None
        results = fit(RunConfig.from_dict({SMALL!r}), "run")
        print(results["num_images"], file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "SESSIONNET_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "unknown model 'smalnet'; did you mean 'smallnet'" in lines[0]
    assert int(lines[1]) > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"name": "smalnet"}}, "did you mean 'smallnet'"),
        ({"train": {"evaluator": "acuracy"}}, "did you mean 'accuracy'"),
        ({"model": {"options": {"widht": 3}}}, "did you mean 'width'"),
    ],
)
def test_a_misspelt_name_is_refused_before_images_are_looked_for(values, message, tmp_path):
    (tmp_path / "empty").mkdir()  # a folder that is there: TensorFlow is not imported for another
    config = RunConfig.from_dict({"data_dir": str(tmp_path / "empty"), **values})
    with pytest.raises(UsageError, match=message):
        fit(config, tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_during_the_test_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    run = tmp_path / "run"
    monkeypatch.setattr("learning.fit._tested", interrupt)
    with pytest.raises(Interrupted, match=f"everything saved; continue with train.py --resume {run}"):
        fit(CONFIG, run, verbose=False)
    monkeypatch.undo()
    assert fit(RunDirectory(run).config, run, resume=True, verbose=False)["scores"]


def test_ctrl_c_before_training_says_that_nothing_can_be_resumed(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("learning.runs.data.open_data", interrupt)
    with pytest.raises(Interrupted, match="nothing was trained, so start again") as caught:
        fit(CONFIG, tmp_path / "run", verbose=False)
    assert caught.value.exit_code == 130
