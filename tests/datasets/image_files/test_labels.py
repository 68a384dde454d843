"""Listing depends only on names, so the files of these tests are empty."""

import logging

import pytest

from datasets.errors import DataError
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.labels import class_names_of, class_of_pet, list_labelled


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return open_source(root)


def test_a_folder_of_classes_is_one_part(tmp_path):
    source = tree(tmp_path, "b/0.png", "a/1.jpg", "a/deep/0.png", "a/notes.txt")
    files = [("a/1.jpg", "a"), ("a/deep/0.png", "a"), ("b/0.png", "b")]
    assert list_labelled(source) == {"whole": files}
    assert class_names_of(source, list_labelled(source)) == ("a", "b")


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


def test_a_users_own_rule(tmp_path):
    listing = list_labelled(tree(tmp_path, "cat.1.jpg", "dog.7.jpg"), lambda parts: parts[-1].split(".")[0])
    assert listing == {"whole": [("cat.1.jpg", "cat"), ("dog.7.jpg", "dog")]}


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
def test_parts_next_to_other_folders_are_an_error(tmp_path, enclosing, other):
    source = tree(tmp_path, f"{enclosing}train/a/0.png", f"{enclosing}val/a/0.png", enclosing + other)
    message = rf"'train', 'val' is named like a part .* '{other.split('/')[0]}' beside it is not"
    with pytest.raises(DataError, match=message):
        list_labelled(source)


def test_parts_with_cats_and_dogs_next_to_other_folders_are_an_error(tmp_path):
    source = tree(tmp_path, "train/cat.0.jpg", "train/dog.0.jpg", "more/cat.1.jpg")
    with pytest.raises(DataError, match="'more' beside it is not; call the parts train, val and test"):
        list_labelled(source, class_of_pet)


@pytest.mark.fault(8)
def test_folders_without_images_do_not_count(tmp_path):
    source = tree(tmp_path, "train/a/0.png", "docs/read.me")
    assert list_labelled(source) == {"train": [("train/a/0.png", "a")]}


def test_a_split_name_without_folders_inside_is_a_class_like_the_others(tmp_path):
    assert list_labelled(tree(tmp_path, "train/0.png", "car/0.png")) == {
        "whole": [("car/0.png", "car"), ("train/0.png", "train")]
    }


def test_parts_alone_are_not_classes(tmp_path):
    source = tree(tmp_path, "train/0.png", "validation/0.png")
    with pytest.raises(DataError, match=r"'train', 'validation' .* holds no classes; place .*NAME.jpg$"):
        list_labelled(source)


@pytest.mark.parametrize("names", [["cat.0.jpg", "dog.0.jpg"], ["train/cat.0.jpg", "test1/1.jpg"]])
def test_cats_and_dogs_without_folders_lead_to_asirra(tmp_path, names):
    with pytest.raises(DataError, match="are read with --data.name asirra$"):
        list_labelled(tree(tmp_path, *names))


def test_other_names_do_not_lead_to_asirra(tmp_path):
    with pytest.raises(DataError, match="or remove them$"):
        list_labelled(tree(tmp_path, "cat.0.jpg", "cow.0.jpg"))


def test_undecoded_images_are_counted_and_named(tmp_path, caplog):
    source = tree(tmp_path, "a/0.png", "b/0.png", "b/1.HEIC", "b/2.jxl", "logo.svg")
    assert list_labelled(source) == {"whole": [("a/0.png", "a"), ("b/0.png", "b")]}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert message == (
        "Ignored 3 images whose formats are not decoded (.heic, .jxl, .svg): 'b/1.HEIC', 'b/2.jxl', 'logo.svg' in "
        f"'{tmp_path}'; convert to JPEG or PNG"
    )


@pytest.mark.fault(47)
def test_files_that_are_not_images_are_listed_with_a_warning_if_they_could_be(tmp_path, caplog):
    names = [f"a/{i}.xml" for i in range(20)]
    source = tree(tmp_path, "a/0.png", "b/0.png", "labels.csv", "b/notes", "b/Thumbs.db", *names)
    with caplog.at_level(logging.INFO):
        assert list_labelled(source) == {"whole": [("a/0.png", "a"), ("b/0.png", "b")]}
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"Ignored 1 file that is not an image (no suffix): 'b/notes' in '{tmp_path}'"),
        (
            logging.INFO,
            "Ignored 21 files that are not images (.xml, .csv): 'a/0.xml', 'a/1.xml', 'a/10.xml' and 18 more in "
            f"'{tmp_path}'",
        ),
    ]


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["a/0.png", "b/0.heic"], "'b' has no .*'b/0.heic'; .heic"),
        (
            ["pets/a/0.png", "pets/b/0.tga", "pets/b/1.tga"],
            "'b' has no .*'pets/b/0.tga', 'pets/b/1.tga'; .tga",
        ),
        (["train/a/0.png", "train/b/0.png", "val/a/0.heic", "val/b/0.png"], "'val/a' has no .*"),
        (["a/0.png", "b/0.xyz", "b/0.xml", "c/0", "d/0.png"], "'b', 'c' have no .*; .xml, .xyz, no suffix"),
        (["a/0.png", "b/0.xml", "c/0", "d/0.png"], "'c' has no .*'c/0'; no suffix"),
        (["train/a/0.png", "train/b/0.png", "val/0"], "'val' has no .*"),
    ],
)
def test_a_class_whose_files_are_all_of_another_kind_is_an_error(tmp_path, names, lost):
    with pytest.raises(DataError, match=rf"in '.*' {lost}\); convert them to JPEG or PNG, or move away"):
        list_labelled(tree(tmp_path, *names))


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["cat/0.png", "dog/0.png", "metadata/a.json"], "'metadata' has"),
        (
            ["cat/0.png", "dog/0.png", "scripts/a.py", "annotations/deep/a.XML"],
            "'annotations', 'scripts' have",
        ),
        (["train/cat/0.png", "train/dog/0.png", "val/labels.csv"], "'val' has"),
    ],
)
def test_folders_without_any_image_files_are_a_warning(tmp_path, caplog, names, lost):
    listing = list_labelled(tree(tmp_path, *names))
    assert [name for files in listing.values() for name, _ in files] == names[:2]
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith(f"in '{tmp_path}' {lost} no images (found: ")
    assert message.endswith(", and cannot be a class")


@pytest.mark.fault(8, 47)
def test_empty_folders_never_become_classes_and_are_named(tmp_path, caplog):
    for folder in ("train/c/deep", "val/a", "val/b", "train/a/more", "other"):
        (tmp_path / folder).mkdir(parents=True)
    source = tree(tmp_path, "train/a/0.png", "train/b/0.png", "test/.DS_Store")
    assert list_labelled(source) == {"train": [("train/a/0.png", "a"), ("train/b/0.png", "b")]}
    (message,) = (record.getMessage() for record in caplog.records)
    assert message == f"in '{tmp_path}' 'test', 'train/c', 'val' are empty, and cannot be a class"


def test_only_images_that_are_not_decoded_are_no_images(tmp_path):
    with pytest.raises(
        DataError, match="no images in .*; .heic are not decoded, convert them to JPEG or PNG"
    ):
        list_labelled(tree(tmp_path, "a/0.heic", "b/0.heic"))


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (COMPOSED, DECOMPOSED, r"the classes 'cafe\u0301' and 'caf\xe9' are one name in two Unicode forms"),
        ("cat", "cat ", "the classes 'cat' and 'cat ' differ in case or spaces alone; put .* rename"),
    ],
)
@pytest.mark.parametrize("part", ["", "val/"])
def test_names_that_could_be_confused_are_an_error(tmp_path, part, one, other, message):
    names = {f"{part}{one}/0.png", f"{part}{other}/0.png", f"{part}dog/0.png"}
    if part:
        names |= {"train/dog/0.png", f"train/{one}/0.png"}
    source = tree(tmp_path, *names)
    if len(source.files()) < len(names):
        pytest.skip("this file system takes the two names for one")
    with pytest.raises(DataError, match=message.replace("\\", "\\\\")):
        list_labelled(source)


@pytest.mark.fault(47)
def test_names_that_differ_in_case_are_classes_with_a_warning(tmp_path, caplog):
    source = tree(tmp_path, *(f"{name}/0.png" for name in ("Delta", "delta", "CO", "Co", "x")))
    if len(source.files()) < 5:
        pytest.skip("this file system takes the two names for one")
    assert class_names_of(source, list_labelled(source)) == ("CO", "Co", "Delta", "delta", "x")
    (message,) = (record.getMessage() for record in caplog.records)
    assert (
        "differ in case alone, and are learned as different ones: 'CO' and 'Co', 'Delta' and 'delta';"
        in message
    )


@pytest.mark.fault(47)
def test_one_name_in_two_forms_is_one_class_across_the_parts(tmp_path):
    source = tree(tmp_path, f"train/{COMPOSED}/0.png", "train/b/0.png", f"val/{DECOMPOSED}/0.png")
    listing = list_labelled(source)
    assert listing["val"] == [(f"val/{DECOMPOSED}/0.png", COMPOSED)]
    assert class_names_of(source, listing) == ("b", COMPOSED)


@pytest.mark.fault(47)
def test_a_name_in_another_case_in_another_part_says_so(tmp_path):
    source = tree(tmp_path, "train/Cat/0.png", "train/dog/0.png", "val/cat/0.png")
    with pytest.raises(
        DataError, match=r"in val that train does not have \('cat'\).*'Cat' and 'cat' differ in case"
    ):
        class_names_of(source, list_labelled(source))


def test_single_letters_are_distinguished_by_case(tmp_path):
    source = tree(tmp_path, "A/0.png", "a/0.png")
    if len(source.files()) < 2:
        pytest.skip("this file system takes the two names for one")
    assert class_names_of(source, list_labelled(source)) == ("A", "a")
