"""learning/experiment.py: what stands beside training and must not hold it up."""

import logging
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from datasets.dataset import DataSet
from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import UsageError
from learning.experiment import build_model, check_new_model, drawing_training_images
from learning.reports import plots as report


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout_prob": 0.5}, "unknown option 'dropout_prob'; known are"),  # AlexNet's
        ({"momentum": 0.5}, "unknown option 'momentum'"),  # the optimizer's
        ({"shortcutt": "A"}, "unknown option 'shortcutt'; did you mean 'shortcut'"),
        ({"weight_decay": 0.1}, "give weight_decay as --model.weight_decay, not in model.options"),
    ],
)
def test_an_option_that_the_network_does_not_take_is_refused(options, message):
    with pytest.raises(UsageError, match=f"model resnet20: .*{message}"):
        check_new_model(ModelConfig(name="resnet20", options=options))


def test_a_run_of_an_earlier_version_that_holds_such_an_option_is_still_built():
    config = RunConfig(model=ModelConfig(name="smallnet", options={"momentum": 0.5, "weight_decay": 0.25}))
    assert build_model(config, (28, 28, 1), 2).weight_decay == 0.25


def test_a_net_may_take_its_options_in_a_constructor_or_as_any_keywords(tmp_path, monkeypatch):
    (tmp_path / "nets_of_mine.py").write_text(
        "from models.nn import ConvNet\n"
        "class Constructed(ConvNet):\n"
        "    def __init__(self, shape, num_classes, *, width=1, **hp):\n"
        "        super().__init__(shape, num_classes, **hp)\n"
        "    def _build_model(self, depth=1):\n"
        "        return {}\n"
        "class Open(ConvNet):\n"
        "    def _build_model(self, **kwargs):\n"
        "        return {}\n"
    )
    monkeypatch.chdir(tmp_path)
    check_new_model(ModelConfig(name="nets_of_mine.Constructed", options={"width": 2}))
    check_new_model(ModelConfig(name="nets_of_mine.Open", options={"anything": 2}))
    with pytest.raises(UsageError, match="unknown option 'dept'; did you mean 'depth'"):
        check_new_model(ModelConfig(name="nets_of_mine.Constructed", options={"dept": 2}))


def test_what_is_wrong_with_a_module_of_ones_own_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn_nets.py").write_text("class MyNet(:\n")
    (tmp_path / "needy_nets.py").write_text("import nothing_of_the_kind\n")
    for name, message in (
        ("torn_nets.MyNet", "torn_nets.py, line 1: invalid syntax; correct it"),
        ("needy_nets.MyNet", "needy_nets needs the module nothing_of_the_kind; install it"),
    ):
        with pytest.raises(UsageError, match=message):
            check_new_model(ModelConfig(name=name))


@pytest.fixture
def train_set():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    return DataSet(images, np.eye(2, dtype=np.uint8)[[0, 1, 0]], class_names=("cat", "dog"))


def test_the_training_images_are_drawn_beside_the_work(train_set, tmp_path, monkeypatch):
    draw, may_draw = report.draw_image_grid, threading.Event()

    def draw_later(*arguments):
        assert may_draw.wait(300)
        draw(*arguments)

    monkeypatch.setattr(report, "draw_image_grid", draw_later)
    with drawing_training_images(train_set, tmp_path, augment=True):
        assert not (tmp_path / "augmented.png").exists()
        may_draw.set()
    with Image.open(tmp_path / "augmented.png") as picture:
        assert picture.size[0] > picture.size[1]  # three images in a row
    assert train_set.cursor == {"epochs_completed": 0, "index_in_epoch": 0}


def test_a_picture_that_is_there_stays(train_set, tmp_path):
    path = tmp_path / "augmented.png"
    path.write_bytes(b"the old one")
    with drawing_training_images(train_set, tmp_path, augment=True):
        pass
    assert path.read_bytes() == b"the old one"


def test_a_picture_that_cannot_be_written_ends_no_training(train_set, tmp_path, monkeypatch, caplog):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "draw_image_grid", fail)
    done = []
    with caplog.at_level(logging.WARNING), drawing_training_images(train_set, tmp_path, augment=True):
        done.append("training")
    assert done == ["training"]
    assert "augmented.png cannot be written (No space left on device" in caplog.text


def test_training_starts_without_what_it_does_not_need():
    code = (
        "import os, sys, learning.experiment, learning.inference.evaluation\n"
        "print(sorted({'keras', 'matplotlib', 'skimage'} & set(sys.modules)))\n"
        "print(os.environ.get('TF_USE_LEGACY_KERAS'))\n"
        "import keras\n"
        "print(learning.experiment.tf.keras.layers.Dense is keras.layers.Dense)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "None", "True"], done.stderr


def test_the_captions_of_class_numbers_are_the_names(tmp_path, monkeypatch):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    drawn = []
    monkeypatch.setattr(report, "draw_image_grid", lambda images, captions, path: drawn.append(captions))
    for labels in ([0, 1, 1, 0], [[1, 0], [0.2, 0.8], [0, 1], [0.6, 0.4]]):  # numbers, shares
        train_set = DataSet(images, np.array(labels), class_names=["cat", "dog"], crop_size=6)
        with drawing_training_images(train_set, tmp_path, augment=False):
            pass
    assert drawn == [["cat", "dog", "dog", "cat"]] * 2
