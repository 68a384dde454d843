"""learning/inference/explained_files.py: pictures that can be told apart and found again."""

import csv

import numpy as np
import pytest
from PIL import Image

from datasets.dataset import DataSet
from learning.errors import StorageError, UsageError
from learning.inference.explained_files import ExplainedFiles, picture_name
from tests.learning.inference.test_explanation import HandNet, build, started


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a/b.c/photo 1.jpeg", "00007-photo_1.jpg"),
        ("zip.zip/../../etc/passwd", "00007-passwd.jpg"),
        ("..", "00007-_.jpg"),
        ("x\n\udcff\\CON.png", "00007-x_CON.jpg"),
        ("猫.jpg", "00007-_.jpg"),
        ("n" * 300 + ".png", f"00007-{'n' * 50}.jpg"),
    ],
)
def test_names_of_pictures_are_plain(file, name):
    assert picture_name(7, file) == name


def test_pictures_of_equal_names_are_kept_apart_and_listed(session, tmp_path):
    model = build(HandNet, (4, 6, 1))
    sess, folder = started(session, model), tmp_path / "new" / "maps"
    images = DataSet(np.random.default_rng(0).integers(0, 256, (2, 4, 6, 1), np.uint8), crop_size=(4, 6))
    explained = ExplainedFiles(model, folder, ["cat", "dog"])
    explained.add(sess, ["a/1.png", "b/1.png"], images, np.array([[0.25, 0.75], [1, 0]]))
    explained.add(sess, ["odd, name"], images.subset([1]), np.array([[0.5, 0.5]]))
    explained.finish()
    names = ["00001-1.jpg", "00002-1.jpg", "00003-odd_name.jpg"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "explanations.csv"]
    with (folder / "explanations.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["picture", "path", "class", "probability"],
        [names[0], "a/1.png", "dog", "0.75"],
        [names[1], "b/1.png", "cat", "1.0"],
        [names[2], "odd, name", "cat", "0.5"],
    ]
    for name in names:
        with Image.open(folder / name) as picture:
            assert (picture.format, picture.size) == ("JPEG", (2 * 114, 76))


def test_a_wrong_layer_and_a_file_in_the_way_are_one_line(tmp_path):
    model = build(HandNet, (4, 6, 1))
    with pytest.raises(UsageError, match=r"no feature map 'x'; .*: maps$"):
        ExplainedFiles(model, tmp_path, ["a", "b"], "x")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot make .*file: File exists; choose another --explain"):
        ExplainedFiles(model, tmp_path / "file", ["a", "b"])
