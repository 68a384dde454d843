"""learning/runs/data.py: the images of a run, in their place or moved."""

import dataclasses
import errno
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from datasets.images.duplicates import pixel_digest
from learning.config.run_config import DataConfig, RunConfig, TrainConfig
from learning.errors import CheckpointError, StorageError, UsageError
from learning.runs import seen_images
from learning.runs.data import check_fits, open_data, open_labelled, run_info
from learning.runs.directory import RunDirectory
from learning.runs.seen_images import keep_digests

WARNING = "images tested here are also in the training set of the run"


def write_images(root, folders, *, first=0):
    """Ten images in each folder, all different."""
    for place, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((8, 8, 3), first + 20 * place + i, np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{i}.png")


@pytest.fixture
def make_run(tmp_path):
    """Return a function that makes a run on images in such folders of tmp_path/images."""

    def make(*folders, keeps=True, **options):
        write_images(tmp_path / "images", folders)
        data = DataConfig(image_size=8, crop_size=6, cache_dir=str(tmp_path / "cache"), **options)
        config = RunConfig(data=data, data_dir=str(tmp_path / "images"))
        splits = open_data(config)
        run = RunDirectory.create(tmp_path / "run", config, run_info(splits, (6, 6, 3)))
        if keeps:
            keep_digests(run.path, splits)
        return run

    return make


def warnings(caplog):
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("keeps", [True, False], ids=["a run", "a run of before"])
@pytest.mark.parametrize("place", ["images", "moved"])
def test_testing_on_training_images_gives_a_warning_wherever_they_are(
    make_run, tmp_path, caplog, place, keeps
):
    run = make_run("a", "b", keeps=keeps)
    assert run.num_images == {"train": 13, "val": 3, "test": 4}
    shutil.move(tmp_path / "images", tmp_path / place)
    assert open_labelled(run, str(tmp_path / place)).dataset.num_examples == 20
    (warning,) = warnings(caplog)
    assert warning.startswith(f"13 of 20 {WARNING}, so the scores are too optimistic")


@pytest.mark.fault(33)
def test_a_full_disk_while_images_are_compared_is_not_taken_for_other_images(make_run, tmp_path, monkeypatch):
    run = make_run("a", "b", keeps=False)
    shutil.move(tmp_path / "images", tmp_path / "moved")

    def full(*args, **options):
        raise StorageError("no room for the decoded images")

    monkeypatch.setattr("learning.runs.data.load_splits", full)
    with pytest.raises(StorageError, match="no room"):
        open_labelled(run, str(tmp_path / "moved"))


@pytest.mark.fault(13)
def test_copies_of_some_training_images_among_others_are_counted(make_run, tmp_path, caplog):
    run = make_run("train/a", "train/b", "test/a", "test/b", val_fraction=0)
    write_images(tmp_path / "others", "ab", first=100)
    for i in range(3):
        shutil.copy(
            tmp_path / "images" / "train" / "b" / f"{i}.png", tmp_path / "others" / "b" / f"copy-{i}.png"
        )
    open_labelled(run, str(tmp_path / "others"))
    open_labelled(run, str(tmp_path / "images"))  # its test/
    assert [warning.split(",")[0] for warning in warnings(caplog)] == [f"3 of 23 {WARNING}"]
    open_labelled(run, str(tmp_path / "images" / "train"))
    assert warnings(caplog)[1].startswith(f"20 of 20 {WARNING}")


@pytest.mark.parametrize("keeps", [True, False], ids=["a run", "a run of before"])
def test_the_split_of_tested_images_is_not_mentioned(make_run, tmp_path, caplog, keeps):
    run = make_run("a", "b", keeps=keeps)
    write_images(tmp_path / "others", "ab", first=100)
    for label in "ab":  # every image twice: some would be in both parts
        for i in range(10):
            shutil.copy(
                tmp_path / "others" / label / f"{i}.png", tmp_path / "others" / label / f"{i}-again.png"
            )
    open_labelled(run, str(tmp_path / "others"))
    assert warnings(caplog) == []


def test_of_a_run_that_does_not_say_how_many_images_it_had_the_images_are_compared(
    make_run, tmp_path, caplog
):
    run = make_run("a", "b", keeps=False)
    path = run.path / "run.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "num_images"}))
    shutil.move(tmp_path / "images", tmp_path / "moved")
    open_labelled(RunDirectory(run.path), str(tmp_path / "moved"))
    assert WARNING in caplog.text


def test_damaged_digests_are_reported_and_the_test_continues(make_run, tmp_path, caplog):
    run = make_run("a", "b")
    (run.path / "train-images.digests").write_bytes(b"x" * 95)
    open_labelled(run, str(tmp_path / "images"))
    first, second = warnings(caplog)
    assert "train-images.digests cannot be used (it has 95 bytes instead of 104)" in first
    assert WARNING in second  # as of a run without digests, the images are compared


@pytest.mark.fault(32)
def test_digests_that_cannot_be_written_leave_nothing(make_run, monkeypatch):
    run = make_run("a", "b", keeps=False)
    splits = open_data(run.config)
    before = sorted(run.path.iterdir())

    def fail(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(seen_images, "fsync_path", fail)  # the name must not come before the content
        with pytest.raises(StorageError, match="No space left"):
            keep_digests(run.path, splits)
    assert sorted(run.path.iterdir()) == before


def test_the_digests_have_the_documented_size_and_cover_only_the_training_images(make_run, tmp_path):
    run = make_run("train/a", "train/b", "test/a", "test/b", val_fraction=0)
    kept = (run.path / "train-images.digests").read_bytes()
    images = [np.full((8, 8, 3), level, np.uint8) for level in (*range(10), *range(20, 30))]
    expected = sorted(int.from_bytes(pixel_digest(image)[:8], "little") for image in images)
    assert kept == b"".join(value.to_bytes(8, "little") for value in expected)


def test_a_test_downloads_nothing_even_of_a_run_that_did(make_run, tmp_path, caplog, monkeypatch):
    fetched = []
    monkeypatch.setattr("datasets.download.fetch.fetch", lambda name, path: fetched.append(path) or path)
    run = make_run("cat", "dog", name="asirra", download=True, keeps=False)
    assert len(fetched) == 1
    shutil.move(tmp_path / "images", tmp_path / "moved")
    open_labelled(run, str(tmp_path / "moved"))
    assert WARNING in caplog.text
    assert len(fetched) == 1


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


def test_other_pixels_than_those_of_the_run_name_every_cause(make_run, tmp_path):
    run = make_run("a", "b")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "images" / "a" / "0.png")
    with pytest.raises(
        CheckpointError, match="files were added, .* or an earlier version .* decoded them diff"
    ):
        open_data(run.config, run)
