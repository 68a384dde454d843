"""datasets/image_files/labelled_files.py: columns of files are the pairs of name and class."""

import numpy as np
import pytest

from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.labelled_files import together
from datasets.image_files.labels import list_labelled


@pytest.fixture
def source(tmp_path):
    for name in ("train/b/0.png", "train/a/1.png", "train/c/2.png", "val/a/3.png", "test/b/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return open_source(tmp_path)


def test_files_are_pairs_sorted_by_name(source):
    train = list_labelled(source)["train"]
    assert train == [("train/a/1.png", "a"), ("train/b/0.png", "b"), ("train/c/2.png", "c")]
    assert (len(train), train[1], train[-1]) == (3, ("train/b/0.png", "b"), ("train/c/2.png", "c"))
    assert train[np.array([0, 2])] == train[::2] == [train[0], train[2]]
    assert train[np.array([False, True, False])] == [train[1]]
    assert train[np.arange(3)] is train


def test_classes_are_numbered_as_asked_and_those_that_occur_are_named(source):
    parts = list_labelled(source)
    assert parts["train"].class_numbers(["c", "x", "b", "a"]).tolist() == [3, 2, 0]
    assert [parts[part].used_classes() for part in ("train", "val", "test")] == [
        ["a", "b", "c"],
        ["a"],
        ["b"],
    ]


def test_parts_together_are_sorted_by_name(source):
    parts = list_labelled(source)
    names = ["test/b/4.png", "train/a/1.png", "train/b/0.png", "train/c/2.png", "val/a/3.png"]
    files = together(source, [parts["val"], parts["train"], parts["test"]])
    assert files == [(name, name.split("/")[1]) for name in names]
    assert [source.files()[row].name for row in files.rows.tolist()] == names
    assert together(source, [parts["val"]]) == parts["val"]
