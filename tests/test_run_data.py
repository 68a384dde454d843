"""learning/run_data.py: the images of a run, where they are and where they were."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from learning.config import DataConfig, RunConfig, TrainConfig
from learning.errors import CheckpointError, UsageError
from learning.run_data import check_fits, open_data, open_labelled, run_info
from learning.run_directory import RunDirectory

WARNING = "the images that the run was trained on: this is no test"


@pytest.fixture
def make_run(tmp_path):
    """A function that makes a run on images in such folders of tmp_path/images."""

    def make(*folders, **options):
        root = tmp_path / "images"
        for place, folder in enumerate(folders):
            (root / folder).mkdir(parents=True)
            for i in range(10):
                pixels = np.full((8, 8, 3), 20 * place + i, np.uint8)
                Image.fromarray(pixels).save(root / folder / f"{i}.png")
        data = DataConfig(image_size=8, crop_size=6, cache_dir=str(tmp_path / "cache"), **options)
        config = RunConfig(data=data, data_dir=str(root))
        return RunDirectory.create(tmp_path / "run", config, run_info(open_data(config), (6, 6, 3)))

    return make


@pytest.mark.parametrize("place", ["images", "moved"])
def test_who_tests_on_the_images_of_the_training_is_warned_wherever_they_are(
    make_run, tmp_path, caplog, place
):
    run = make_run("a", "b")
    shutil.move(tmp_path / "images", tmp_path / place)
    assert open_labelled(run, str(tmp_path / place)).dataset.num_examples == 20
    assert WARNING in caplog.text


def test_other_images_are_a_test(make_run, tmp_path, caplog):
    run = make_run("a", "b")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "images" / "a" / "new.png")
    shutil.copytree(tmp_path / "images", tmp_path / "others")
    open_labelled(run, str(tmp_path / "others"))
    assert WARNING not in caplog.text


def test_of_a_run_that_does_not_say_how_many_images_it_had_the_images_are_compared(
    make_run, tmp_path, caplog
):
    run = make_run("a", "b")
    path = run.path / "run.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "num_images"}))
    shutil.move(tmp_path / "images", tmp_path / "moved")
    open_labelled(RunDirectory(run.path), str(tmp_path / "moved"))
    assert WARNING in caplog.text


def test_a_test_downloads_nothing_even_of_a_run_that_did(make_run, tmp_path, caplog, monkeypatch):
    fetched = []
    monkeypatch.setattr("datasets.download.fetch", lambda name, path: fetched.append(path) or path)
    run = make_run("cat", "dog", name="asirra", download=True)
    assert len(fetched) == 1
    shutil.move(tmp_path / "images", tmp_path / "moved")
    open_labelled(run, str(tmp_path / "moved"))
    assert WARNING in caplog.text
    assert len(fetched) == 1


def test_the_test_part_of_the_images_is_one(make_run, tmp_path, caplog):
    run = make_run("train/a", "train/b", "test/a", "test/b")
    assert open_labelled(run, str(tmp_path / "images")).dataset.num_examples == 20
    assert WARNING not in caplog.text


def test_images_that_were_moved_are_missed_with_the_way_to_tell_the_run(make_run, tmp_path):
    run = make_run("a", "b")
    (tmp_path / "images").rename(tmp_path / "moved")
    with pytest.raises(
        CheckpointError, match=r"no longer at .*/images; say .* train.py --resume .*/run --data-dir DIR"
    ):
        open_data(run.config, run)


@pytest.mark.fault(48)
def test_a_metric_that_the_validation_images_do_not_allow_is_refused_before_training(tmp_path):
    for folder in ("train/a", "train/b", "val/a", "test/a", "test/b"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(
                tmp_path / "images" / folder / f"{i}.png"
            )
    data = DataConfig(image_size=8, crop_size=6, cache_dir=str(tmp_path / "cache"))
    train = TrainConfig(evaluator="roc_auc", batch_size=4, num_epochs=1)
    config = RunConfig(data=data, data_dir=str(tmp_path / "images"), train=train)
    with pytest.raises(UsageError, match="the validation set cannot be scored: .* none of 'b'") as raised:
        check_fits(config, open_data(config))
    assert raised.value.exit_code == 2
    by_accuracy = dataclasses.replace(config, train=dataclasses.replace(train, evaluator="accuracy"))
    check_fits(by_accuracy, open_data(by_accuracy))
