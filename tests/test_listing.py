"""Listing looks at names alone: the files of these tests are empty."""

import logging

import pytest

from datasets.errors import DataError
from datasets.listing import class_names_of, list_labelled, sample_files
from datasets.sources import open_source


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return open_source(root)


def test_a_folder_of_classes_is_one_part(tmp_path):
    source = tree(tmp_path, "b/0.png", "a/1.jpg", "a/deep/0.png", "a/notes.txt")
    files = [("a/1.jpg", "a"), ("a/deep/0.png", "a"), ("b/0.png", "b")]
    assert list_labelled(source) == {"whole": files}
    assert class_names_of(source, {"whole": files}) == ("a", "b")


def test_one_enclosing_folder_is_seen_through(tmp_path):
    listing = list_labelled(tree(tmp_path, "pets/train/a/0.png", "pets/val/a/1.png"))
    assert listing == {"train": [("pets/train/a/0.png", "a")], "val": [("pets/val/a/1.png", "a")]}


def test_a_test_folder_without_labels_is_left_out(tmp_path, caplog):
    source = tree(tmp_path, "train/a/0.png", "train/b/0.png", "test/1.png")
    with caplog.at_level(logging.WARNING):
        listing = list_labelled(source)
    assert listing == {"train": [("train/a/0.png", "a"), ("train/b/0.png", "b")]}
    assert "the 1 test images" in caplog.text


def test_a_test_folder_with_some_labels_must_have_all(tmp_path):
    with pytest.raises(DataError, match=r"1 of 2 images in '.*' have no class \('test/1.png'\)"):
        list_labelled(tree(tmp_path, "train/a/0.png", "test/a/0.png", "test/1.png"))


def test_a_rule_of_ones_own(tmp_path):
    listing = list_labelled(tree(tmp_path, "cat.1.jpg", "dog.7.jpg"), lambda parts: parts[-1].split(".")[0])
    assert listing == {"whole": [("cat.1.jpg", "cat"), ("dog.7.jpg", "dog")]}


def test_a_sample_keeps_the_order_and_follows_the_seed():
    files = [(f"{i}.png", "a") for i in range(100)]
    sample = sample_files(files, 10, seed=3)
    assert len(sample) == 10
    assert sample == sorted(sample, key=files.index) == sample_files(files, 10, seed=3)
    assert sample != sample_files(files, 10, seed=4)
    assert sample_files(files, None, seed=3) == sample_files(files, 100, seed=3) == files
