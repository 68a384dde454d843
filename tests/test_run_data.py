"""learning/run_data.py: images as a run is tested on them."""

import numpy as np
import pytest
from PIL import Image

from learning.config import DataConfig, RunConfig
from learning.run_data import open_labelled
from learning.run_directory import RunDirectory

INFO = {"class_names": ["a", "b"], "input_shape": [6, 6, 3], "num_images": {"train": 4, "test": 1}}


@pytest.mark.parametrize(
    ("folders", "num_images", "warns"),
    [(("a", "b"), 4, True), (("train/a", "train/b", "test/a", "test/b"), 4, False)],
)
def test_who_tests_on_the_folder_of_the_training_is_warned_unless_it_has_a_test_part(
    tmp_path, caplog, folders, num_images, warns
):
    root = tmp_path / "images"
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for name in ("1.png", "2.png"):
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / folder / name)
    data = DataConfig(image_size=8, crop_size=6, cache_dir=str(tmp_path / "cache"))
    run = RunDirectory.create(tmp_path / "run", RunConfig(data=data, data_dir=str(root)), INFO)
    assert open_labelled(run, str(root)).dataset.num_examples == num_images
    assert ("the images that the run was trained on: this is no test" in caplog.text) == warns
