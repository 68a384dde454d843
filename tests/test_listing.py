"""Listing looks at names alone: the files of these tests are empty."""

import logging

import pytest

from datasets.errors import DataError
from datasets.listing import class_names_of, class_of_pet, list_labelled, sample_files
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


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING"])
@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
@pytest.mark.parametrize("test", ["test", "Testing", "test1"])
def test_parts_have_several_names(tmp_path, train, val, test):
    listing = list_labelled(tree(tmp_path, f"{train}/a/0.png", f"{val}/a/0.png", f"{test}/a/0.png"))
    assert listing == {
        "train": [(f"{train}/a/0.png", "a")],
        "val": [(f"{val}/a/0.png", "a")],
        "test": [(f"{test}/a/0.png", "a")],
    }


@pytest.mark.parametrize(
    ("enclosing", "other"), [("", "held_out/a/0.png"), ("pets/", "held_out/a/0.png"), ("", "logo.png")]
)
def test_parts_beside_something_else_are_an_error(tmp_path, enclosing, other):
    source = tree(tmp_path, f"{enclosing}train/a/0.png", f"{enclosing}val/a/0.png", enclosing + other)
    message = rf"'train', 'val' is named like a part .* '{other.split('/')[0]}' beside it is not"
    with pytest.raises(DataError, match=message):
        list_labelled(source)


def test_parts_with_cats_and_dogs_beside_something_else_are_an_error(tmp_path):
    source = tree(tmp_path, "train/cat.0.jpg", "train/dog.0.jpg", "more/cat.1.jpg")
    with pytest.raises(DataError, match="'more' beside it is not; call the parts train, val and test"):
        list_labelled(source, class_of_pet)


@pytest.mark.fault(8)
def test_folders_without_images_do_not_count(tmp_path):
    source = tree(tmp_path, "train/a/0.png", "docs/read.me")
    assert list_labelled(source) == {"train": [("train/a/0.png", "a")]}


def test_a_part_name_without_folders_inside_is_a_class_beside_other_classes(tmp_path):
    assert list_labelled(tree(tmp_path, "train/0.png", "car/0.png")) == {
        "whole": [("car/0.png", "car"), ("train/0.png", "train")]
    }


def test_parts_alone_are_no_classes(tmp_path):
    source = tree(tmp_path, "train/0.png", "validation/0.png")
    with pytest.raises(DataError, match=r"'train', 'validation' .* holds no classes; place .*NAME.jpg$"):
        list_labelled(source)


@pytest.mark.parametrize("names", [["cat.0.jpg", "dog.0.jpg"], ["train/cat.0.jpg", "test1/1.jpg"]])
def test_cats_and_dogs_in_no_folder_lead_to_asirra(tmp_path, names):
    with pytest.raises(DataError, match="are read with --data.name asirra$"):
        list_labelled(tree(tmp_path, *names))


def test_other_names_do_not_lead_to_asirra(tmp_path):
    with pytest.raises(DataError, match="or remove them$"):
        list_labelled(tree(tmp_path, "cat.0.jpg", "cow.0.jpg"))


def test_images_that_are_not_decoded_are_counted_and_named(tmp_path, caplog):
    source = tree(tmp_path, "a/0.png", "b/0.png", "b/1.HEIC", "b/2.avif", "logo.svg")
    assert list_labelled(source) == {"whole": [("a/0.png", "a"), ("b/0.png", "b")]}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert "3 image(s) in " in message
    assert "(.avif, .heic, .svg): 'b/1.HEIC', 'b/2.avif', 'logo.svg'; convert them to JPEG or PNG" in message


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["a/0.png", "b/0.heic"], "'b'"),
        (["pets/a/0.png", "pets/b/0.heic"], "'b'"),
        (["train/a/0.png", "train/b/0.png", "val/a/0.heic", "val/b/0.png"], "'val/a'"),
    ],
)
def test_a_class_of_images_that_are_not_decoded_is_an_error(tmp_path, names, lost):
    with pytest.raises(DataError, match=rf"{lost} has no images but in formats .*\(.heic\); convert them"):
        list_labelled(tree(tmp_path, *names))


def test_only_images_that_are_not_decoded_are_no_images(tmp_path):
    with pytest.raises(
        DataError, match="no images in .*; .heic are not decoded, convert them to JPEG or PNG"
    ):
        list_labelled(tree(tmp_path, "a/0.heic", "b/0.heic"))
