import io
import logging
import zipfile

import numpy as np
import pytest
from PIL import Image

from datasets.errors import ClassMismatchError, DataError, OptionError
from datasets.loaders import LOADERS, labelled_set, load_splits


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "PNG")
        path.write_bytes(file.getvalue())
    return root


def folders(*folders, num_images=10):
    return [f"{folder}/{i}.png" for folder in folders for i in range(num_images)]


def labelled(root, class_names, **options):
    sizes = {"image_size": 8, "crop_size": 6, "cache_dir": root.parent / "cache"}
    return labelled_set(root, class_names, **{**sizes, **options})


@pytest.mark.parametrize(
    ("name", "files"),
    [("digits", None), ("folder", folders("a", "b")), ("asirra", folders("Cat", "Dog"))],
)
def test_every_data_set_keeps_the_contract(tmp_path, name, files):
    options = {"crop_size": 6, "image_size": 8}
    if files:
        options |= {"path": make(tmp_path / "images", *files), "cache_dir": tmp_path / "cache"}
    splits = load_splits(name, **options)
    for part in (splits.train, splits.val, splits.test):
        assert part.images.dtype == part.labels.dtype == np.uint8
        assert part.labels.shape == (part.num_examples, len(splits.class_names))
        assert (part.labels.sum(axis=1) == 1).all()
        assert part.class_names == splits.class_names
        assert len(part.file_names) == part.num_examples
        assert part.next_batch(3)[0].shape[1:3] == (6, 6)
        assert part.image_mean.shape == (part.images.shape[-1],)
    assert load_splits(name, **options).fingerprint == splits.fingerprint
    assert splits.bad_files == ()


def test_the_contract_covers_the_catalogue():
    assert set(LOADERS) == {"digits", "folder", "asirra"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "digit"}, "no data set 'digit'; did you mean 'digits'?"),
        ({"name": "q"}, "no data set 'q'; there are: asirra, digits, folder"),
        (
            {"name": "folder", "path": "x", "crop": 3},
            "'folder' has no option 'crop'; did you mean 'crop_size'?",
        ),
        ({"name": "digits", "cache_dir": "x"}, "data set 'digits' has no option 'cache_dir'"),
        ({"name": "digits", "path": "x"}, "it has no path; leave 'x' out"),
        (
            {"name": "folder"},
            "'folder' needs the path of its images; give a folder or a zip archive with --data-dir",
        ),
    ],
)
def test_what_a_loader_does_not_take_is_named(arguments, message):
    with pytest.raises(OptionError) as error:
        load_splits(**arguments)
    assert message in str(error.value)
    assert error.value.exit_code == 2


def test_labels_follow_the_models_order(tmp_path):
    root = make(tmp_path / "pets", "cat/1.png", "dog/1.png", "dog/2.png")
    dataset = labelled(root, ("dog", "cat"))
    assert dataset.file_names == ("cat/1.png", "dog/1.png", "dog/2.png")
    assert dataset.labels.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert dataset.class_names == ("dog", "cat")


def test_of_train_and_test_only_test_is_taken(tmp_path):
    root = make(tmp_path / "x", "train/a/1.png", "train/b/2.png", "val/a/3.png", "test/b/4.png")
    assert labelled(root, ("a", "b")).file_names == ("test/b/4.png",)
    root = make(tmp_path / "y", "train/a/1.png", "train/b/2.png", "val/a/3.png")
    assert labelled(root, ("a", "b")).num_examples == 3
    root = make(tmp_path / "z", "test/a/1.png")
    assert labelled(root, ("a", "b")).num_examples == 1


@pytest.mark.parametrize(
    "files", [["cat.1.jpg", "dog.2.jpg"], ["PetImages/Cat/1.jpg", "PetImages/Dog/2.jpg"]]
)
def test_cats_and_dogs_are_found_in_their_own_forms(tmp_path, files):
    dataset = labelled(make(tmp_path / "pets", *files), ("cat", "dog"))
    assert dataset.labels.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("files", [folders("a", "c"), folders("a", "b", "c")])
def test_a_class_that_the_model_does_not_know_lists_both(tmp_path, files):
    with pytest.raises(ClassMismatchError, match=r"'c'\) are not those of the model \('a', 'b'\)") as error:
        labelled(make(tmp_path / "images", *files), ("a", "b"))
    assert error.value.exit_code == 4
    assert isinstance(error.value, DataError)


def test_a_third_animal_is_a_mismatch(tmp_path):
    with pytest.raises(ClassMismatchError, match="'bird', 'cat', 'dog'"):
        labelled(make(tmp_path / "pets", *folders("cat", "dog", "bird")), ("cat", "dog"))


def test_a_class_without_images_is_mentioned(tmp_path, caplog):
    dataset = labelled(make(tmp_path / "images", *folders("a")), ("a", "b"))
    assert dataset.labels.tolist() == [[1, 0]] * 10
    assert "has no images of 'b'" in caplog.text


def test_a_crop_larger_than_the_image_is_refused(tmp_path):
    with pytest.raises(OptionError, match="crop_size 9"):
        labelled(tmp_path, ("a", "b"), crop_size=9)


@pytest.mark.parametrize("name", ["folder", "asirra"])
def test_a_download_that_was_unzipped_once_is_read(tmp_path, caplog, name):
    files = folders("cat", "dog")
    root = make(tmp_path / "unpacked", *files)
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "sampleSubmission.csv").write_text("id,label")
    for archive, prefix in (("train.zip", "train/"), ("test1.zip", "test1/")):
        with zipfile.ZipFile(tmp_path / "kaggle" / archive, "w") as packed:
            for file in files:
                packed.write(root / file, prefix + file)
    with caplog.at_level(logging.INFO):
        splits = load_splits(
            name, tmp_path / "kaggle", image_size=8, crop_size=6, cache_dir=tmp_path / "cache"
        )
    assert splits.train.num_examples + splits.val.num_examples + splits.test.num_examples == 20
    assert all(file.startswith("train/") for file in splits.train.file_names)
    assert "so its train.zip is read" in caplog.text


def test_a_large_seed_is_a_seed_and_too_few_images_name_the_class(tmp_path):
    root = make(tmp_path / "images", *folders("a", "b"))
    options = {"image_size": 8, "crop_size": 6, "cache_dir": tmp_path / "cache"}
    assert load_splits("folder", root, seed=99999999999, **options).test.num_examples == 4
    with pytest.raises(OptionError, match="seed is -1"):
        load_splits("folder", root, seed=-1, **options)
    make(root, "rare/0.png")
    with pytest.raises(DataError, match="too few images .*'rare': 1, 'a': 10"):
        load_splits("folder", root, **options)
