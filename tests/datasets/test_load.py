import io
import logging
import zipfile

import numpy as np
import pytest
from PIL import Image

from datasets import cifar10, mnist
from datasets.catalogue import DATASETS
from datasets.errors import ClassMismatchError, DataError, OptionError
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.labels import list_labelled
from datasets.load import labelled_set, load_splits
from tests.support.made_sets import cifar_parts, mnist_parts, pack, write_mnist, write_python_batches


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
    return labelled_set(root, class_names, **{**sizes, **options})[0]


def options_for(name, root):
    """What `load_splits` needs for a small set of that name, which is made under root."""
    sizes = {"crop_size": 6, "image_size": 8}
    if name in ("folder", "asirra"):
        files = folders("Cat", "Dog")
        return {**sizes, "path": make(root / "images", *files), "cache_dir": root / "cache"}
    if name == "cifar10":
        return {**sizes, "path": write_python_batches(root / "cifar-10-batches-py", cifar_parts())}
    if name == "mnist":
        return {**sizes, "path": write_mnist(root / "mnist", mnist_parts()), "val_fraction": 0.2}
    return sizes


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_keeps_the_contract(tmp_path, name):
    options = options_for(name, tmp_path)
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


@pytest.mark.parametrize("name", DATASETS)
def test_the_options_of_crops_reach_the_sets_of_every_loader(tmp_path, name):
    changed = {"reflect": False, "padding": 1, "redraw": False}
    if name == "digits":
        changed["reflect"] = True
    elif name != "mnist":
        changed["pca_color"] = 0.2
    splits = load_splits(name, **options_for(name, tmp_path), **changed, seed=7)
    for part in (splits.train, splits.val, splits.test):
        assert {option: getattr(part.crops, option) for option in changed} == changed
        assert part.seed == 7
    first, again = (splits.train.batch([0, 1], augment=True, is_train=True, epoch=e)[0] for e in (0, 9))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits"}))
def test_every_loader_of_files_draws_a_sample(tmp_path, name):
    options = options_for(name, tmp_path) | {"val_fraction": 0.0}
    splits = load_splits(name, sample_size=15, **options)
    of_each_part = name in ("cifar10", "mnist")
    assert splits.train.num_examples + splits.test.num_examples == (30 if of_each_part else 15)
    with pytest.raises(OptionError, match="sample_size is 0"):
        load_splits(name, sample_size=0, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "digit"}, "no data set 'digit'; did you mean 'digits'?"),
        ({"name": "q"}, "no data set 'q'; there are: asirra, cifar10, digits, folder, mnist"),
        (
            {"name": "folder", "path": "x", "crop": 3},
            "there is no option 'crop'; did you mean 'crop_size'?",
        ),
        (
            {"name": "digits", "cache_dir": "x"},
            "cache_dir is 'x', but the data set 'digits' has no such option",
        ),
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


@pytest.mark.fault(10)
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


@pytest.mark.fault(10)
@pytest.mark.parametrize("broken", ["train/c/0.heic", "val/0.png", "train/b /0.png", "val/c/0.heic"])
def test_what_is_wrong_with_train_and_val_does_not_stop_a_test(tmp_path, broken):
    root = make(tmp_path / "x", "train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png", broken)
    assert labelled(root, ("a", "b")).file_names == ("test/a/3.png", "test/b/4.png")
    with pytest.raises(DataError):
        list_labelled(open_source(root))


@pytest.mark.parametrize(
    "files",
    [
        ["cat.1.jpg", "dog.2.jpg"],
        ["PetImages/Cat/1.jpg", "PetImages/Dog/2.jpg"],
        # Kaggle's, its test without labels:
        ["train/cat.1.jpg", "train/dog.2.jpg", "test1/1.jpg", "test1/2.jpg"],
        ["dogs-vs-cats/train/cat.1.jpg", "dogs-vs-cats/train/dog.2.jpg"],
    ],
)
def test_cats_and_dogs_are_found_in_their_own_forms(tmp_path, files):
    dataset = labelled(make(tmp_path / "pets", *files), ("cat", "dog"))
    assert dataset.labels.tolist() == [[1, 0], [0, 1]]


@pytest.mark.fault(10)
@pytest.mark.parametrize("files", [folders("a", "c"), folders("a", "b", "c")])
def test_a_class_that_the_model_does_not_know_lists_both(tmp_path, files):
    with pytest.raises(ClassMismatchError, match=r"'c'\) are not those of the model \('a', 'b'\)") as error:
        labelled(make(tmp_path / "images", *files), ("a", "b"))
    assert error.value.exit_code == 4
    assert isinstance(error.value, DataError)


@pytest.mark.fault(10)
def test_a_third_animal_is_a_mismatch(tmp_path):
    with pytest.raises(ClassMismatchError, match="'bird', 'cat', 'dog'"):
        labelled(make(tmp_path / "pets", *folders("cat", "dog", "bird")), ("cat", "dog"))


@pytest.mark.fault(10)
@pytest.mark.parametrize("folder", ["wolf", "zoo/wolf", "train/wolf"])
def test_a_third_folder_is_a_class_whatever_its_files_are_called(tmp_path, folder):
    with pytest.raises(ClassMismatchError, match="'wolf'"):
        labelled(make(tmp_path / "pets", f"{folder}/dog.1.jpg", f"{folder}/dog.2.jpg"), ("cat", "dog"))


def test_a_class_without_images_is_mentioned(tmp_path, caplog):
    dataset = labelled(make(tmp_path / "images", *folders("a")), ("a", "b"))
    assert dataset.labels.tolist() == [[1, 0]] * 10
    assert "has no images of 'b'" in caplog.text


def test_a_crop_larger_than_the_image_is_refused(tmp_path):
    with pytest.raises(OptionError, match="crop_size is 9"):
        labelled(tmp_path, ("a", "b"), crop_size=9)


@pytest.mark.parametrize("packed", [False, True])
def test_the_official_form_of_a_models_own_set_gives_its_test_images(tmp_path, packed):
    parts = cifar_parts()
    path = write_python_batches(tmp_path / "cifar-10-batches-py", parts)
    if packed:
        path = pack(path, tmp_path / "mine.tar.gz")
    dataset = labelled(path, cifar10.CLASS_NAMES, name="cifar10", image_size=32, crop_size=32)
    assert dataset.labels.argmax(axis=1).tolist() == parts["test_batch"][1]
    assert (dataset.num_examples, dataset.num_crops) == (20, 2)
    assert all(name.startswith("test") for name in dataset.file_names)
    with pytest.raises(ClassMismatchError, match="'airplane', .* are not those of the model"):
        labelled(path, cifar10.CLASS_NAMES[::-1], name="cifar10", image_size=32, crop_size=32)


def test_the_files_of_mnist_are_read_only_for_a_model_of_mnist(tmp_path):
    parts = mnist_parts()
    path = write_mnist(tmp_path / "mnist", parts)
    options = {"image_size": 28, "crop_size": 28, "channels": 1, "reflect": False}
    dataset = labelled(path, mnist.CLASS_NAMES, name="mnist", **options)
    np.testing.assert_array_equal(np.asarray(dataset.images)[..., 0], parts["t10k"][0])
    with pytest.raises(DataError, match="no images in"):
        labelled(path, mnist.CLASS_NAMES, name="folder", **options)


def test_a_damaged_official_form_says_so_and_is_not_taken_for_images(tmp_path):
    path = write_python_batches(tmp_path / "cifar-10-batches-py", cifar_parts())
    (path / "test_batch").unlink()
    with pytest.raises(DataError, match="lacks test_batch"):
        labelled(path, cifar10.CLASS_NAMES, name="cifar10", image_size=32)


@pytest.mark.parametrize(("name", "channels"), [("cifar10", 3), ("mnist", 1)])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_model_of_an_official_set_is_tested_on_images_all_the_same(tmp_path, name, channels, zipped):
    class_names = {"cifar10": cifar10, "mnist": mnist}[name].CLASS_NAMES
    files = [f"{part}/{c}/{i}.png" for part in ("train", "test") for c in class_names for i in range(2)]
    path = make(tmp_path / "images", *files)
    if zipped:
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w") as packed:
            for file in files:
                packed.write(tmp_path / "images" / file, file)
    dataset = labelled(path, class_names, name=name, channels=channels)
    assert dataset.num_examples == 20
    assert all(file.startswith("test/") for file in dataset.file_names)
    assert dataset.images.shape[1:] == (8, 8, channels)


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


@pytest.mark.fault(10, 47)
@pytest.mark.parametrize(("on_disk", "known"), [("cafe\u0301", "caf\u00e9"), ("caf\u00e9", "cafe\u0301")])
def test_classes_are_matched_in_any_unicode_form(tmp_path, on_disk, known):
    root = make(tmp_path / "shops", f"{on_disk}/1.png", "bar/1.png")
    dataset = labelled(root, (known, "bar"))
    assert sorted(dataset.labels.tolist()) == [[0, 1], [1, 0]]
    assert dataset.class_names == (known, "bar")


@pytest.mark.fault(10, 47)
def test_a_class_in_another_case_than_the_models_is_explained(tmp_path):
    root = make(tmp_path / "pets", "Ape/1.png", "dog/1.png")
    with pytest.raises(
        ClassMismatchError, match=r"\('ape', 'dog'\); 'ape' and 'Ape' differ in case or spaces"
    ):
        labelled(root, ("ape", "dog"))


@pytest.mark.fault(47)
def test_a_test_class_without_a_readable_image_warns_like_a_missing_class(tmp_path, caplog):
    root = make(tmp_path / "x", *folders("a", num_images=30))
    (root / "b").mkdir()
    (root / "b" / "0.png").write_bytes(b"")
    assert labelled(root, ("a", "b")).num_examples == 30
    assert "none of the images of 'b' can be read ('b/0.png': the file is empty)" in caplog.text
