"""learning/training/training_images.py: the picture of training images does not delay training."""

import logging
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from datasets.dataset import DataSet
from learning.pictures import plots
from learning.training.training_images import TrainingImages


@contextmanager
def drawing(train_set, folder, *, augment=True):
    """Call the callback as training in a folder does, at the start and the end."""
    train = SimpleNamespace(augment_train=augment)
    training = SimpleNamespace(save_dir=folder, config=SimpleNamespace(train=train))
    callback = TrainingImages(train_set)
    callback.on_start(training)
    yield
    callback.on_stop(training)


@pytest.fixture
def train_set():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    return DataSet(images, np.eye(2, dtype=np.uint8)[[0, 1, 0]], class_names=("cat", "dog"))


def test_the_training_images_are_drawn_in_the_background(train_set, tmp_path, monkeypatch):
    draw, may_draw = plots.draw_image_grid, threading.Event()

    def draw_later(*arguments, **options):
        assert may_draw.wait(300)
        draw(*arguments, **options)

    monkeypatch.setattr(plots, "draw_image_grid", draw_later)
    with drawing(train_set, tmp_path):
        assert not (tmp_path / "augmented.png").exists()
        may_draw.set()
    with Image.open(tmp_path / "augmented.png") as picture:
        assert picture.size[0] > picture.size[1]  # three images in a row
    assert train_set.cursor == {"epochs_completed": 0, "index_in_epoch": 0}


def test_an_existing_picture_stays(train_set, tmp_path):
    path = tmp_path / "augmented.png"
    path.write_bytes(b"the old one")
    with drawing(train_set, tmp_path):
        pass
    assert path.read_bytes() == b"the old one"


def test_a_picture_that_cannot_be_written_does_not_end_training(train_set, tmp_path, monkeypatch, caplog):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "draw_image_grid", fail)
    done = []
    with caplog.at_level(logging.WARNING), drawing(train_set, tmp_path):
        done.append("training")
    assert done == ["training"]
    assert "augmented.png cannot be written (No space left on device" in caplog.text


def test_the_captions_of_class_numbers_are_the_names(tmp_path, monkeypatch):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    drawn = []
    monkeypatch.setattr(
        plots, "draw_image_grid", lambda images, captions, path, columns: drawn.append(captions)
    )
    for labels in ([0, 1, 1, 0], [[1, 0], [0.2, 0.8], [0, 1], [0.6, 0.4]]):  # numbers, shares
        train_set = DataSet(images, np.array(labels), class_names=["cat", "dog"], crop_size=6)
        with drawing(train_set, tmp_path, augment=False):
            pass
    assert drawn == [["cat", "dog", "dog", "cat"]] * 2


def test_one_image_in_eight_forms(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    drawn = {}
    monkeypatch.setattr(
        plots, "draw_image_grid", lambda images, captions, path, columns: drawn.update({path.name: images})
    )
    train_set = DataSet(images, np.array([0, 1, 0, 1]), crop_size=6)
    with drawing(train_set, tmp_path):
        pass
    forms = drawn["augmented-forms.png"]
    np.testing.assert_array_equal(forms[0], images[0, 1:7, 1:7])
    np.testing.assert_array_equal(forms[1], drawn["augmented.png"][0])  # both of the first epoch
    assert len(np.unique(forms.reshape(9, -1), axis=0)) > 2


def test_without_augmentation_there_are_no_forms(train_set, tmp_path):
    with drawing(train_set, tmp_path, augment=False):
        pass
    same = tmp_path / "same"
    same.mkdir()
    with drawing(DataSet(train_set.images, train_set.labels, crop_size=8, reflect=False), same):
        pass  # crops as large as the images, not mirrored
    assert [path.name for path in tmp_path.rglob("*.png")] == ["augmented.png"] * 2
