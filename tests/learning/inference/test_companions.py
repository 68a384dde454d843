"""learning/inference/companions.py: pictures that can be told apart and found again, and features with names."""

import csv

import numpy as np
import pytest
from PIL import Image

from datasets.dataset import DataSet
from learning.errors import StorageError, UsageError
from learning.inference.companions import Embedding, ExplainedFiles, picture_name
from tests.support.hand_net import HandNet, build, started

BRIGHT = np.array([0, 51, 255])  # of three images: their features are (x, 1 - x)


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


def test_the_pictures_of_an_earlier_call_are_removed_and_nothing_else(session, tmp_path):
    model = build(HandNet, (4, 6, 1))
    sess = started(session, model)
    images = DataSet(np.zeros((2, 4, 6, 1), np.uint8), crop_size=(4, 6))
    explained = ExplainedFiles(model, tmp_path, ["cat", "dog"])
    explained.add(sess, ["1.png", "2.png"], images, np.eye(2))
    explained.finish()
    (tmp_path / "00009-mine.jpg").touch()
    with (tmp_path / "explanations.csv").open("a") as table:
        table.write("../outside.txt,x,cat,1\n")
    (tmp_path.parent / "outside.txt").touch()
    ExplainedFiles(model, tmp_path, ["cat", "dog"]).finish()
    assert [path.name for path in tmp_path.glob("*.jpg")] == ["00009-mine.jpg"]
    assert (tmp_path.parent / "outside.txt").exists()


def test_a_wrong_layer_and_a_file_in_the_way_are_one_line(tmp_path):
    model = build(HandNet, (4, 6, 1))
    with pytest.raises(UsageError, match=r"no feature map 'x'; .*: maps$"):
        ExplainedFiles(model, tmp_path, ["a", "b"], "x")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot make .*file: File exists; choose another --explain"):
        ExplainedFiles(model, tmp_path / "file", ["a", "b"])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("layer", "shape"), [(None, (3, 2)), ("maps", (3, 2, 3, 2))])
def test_the_archive_has_the_values_and_names_of_all_chunks(session, tmp_path, precision, layer, shape):
    model = build(HandNet, (4, 6, 1), precision=precision)
    sess, path = started(session, model), tmp_path / "values.npz"
    images = np.broadcast_to(BRIGHT[:, None, None, None], (3, 4, 6, 1)).astype(np.uint8)
    embedding = Embedding(model, path, layer, 2)
    for rows, names in ((slice(2), ["a/1.png", "ü\n.png"]), (slice(2, 3), ["c.png"])):
        embedding.add(sess, names, DataSet(images[rows], crop_size=(4, 6)), np.empty(0))
    embedding.finish()
    with np.load(path) as found:
        assert found["files"].tolist() == ["a/1.png", "ü\n.png", "c.png"]
        assert str(found["layer"]) == (layer or "features")
        values = found["values"]
    assert (values.shape, values.dtype) == (shape, np.float32)
    expected = np.stack([BRIGHT / 255, 1 - BRIGHT / 255], axis=1)  # (3, 2)
    np.testing.assert_allclose(values.reshape(3, -1, 2).mean(axis=1), expected, atol=0.01)


def test_an_unknown_tensor_lists_those_of_the_images(tmp_path):
    model = build(HandNet, (4, 6, 1))
    with pytest.raises(
        UsageError, match=r"HandNet has no tensor 'x' of images; .*: features, logits, maps, pred$"
    ):
        Embedding(model, tmp_path / "values.npz", "x", 2)


@pytest.mark.fault(33)
def test_no_image_is_an_empty_archive_and_no_folder_one_line(tmp_path):
    model = build(HandNet, (4, 6, 1))
    Embedding(model, tmp_path / "values.npz", None, 2).finish()
    with np.load(tmp_path / "values.npz") as found:
        assert (len(found["files"]), len(found["values"])) == (0, 0)
    with pytest.raises(StorageError, match=r"cannot write .*gone/values.npz: No such file .*; make room"):
        Embedding(model, tmp_path / "gone" / "values.npz", None, 2).finish()
