import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from datasets import asirra
from datasets.errors import DataError


def picture(level):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def make(names_to_levels, root):
    for name, level in names_to_levels.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(level))
    return root


def flat(prefix="", num_images=10):
    """Cats are dark (below 100), dogs are bright."""
    cats = {f"{prefix}cat.{i}.jpg": i for i in range(num_images)}
    return {**cats, **{f"{prefix}dog.{i}.jpg": 200 + i for i in range(num_images)}}


PET_IMAGES = {
    f"PetImages/{c}/{i}.jpg": level + i for c, level in (("Cat", 0), ("Dog", 200)) for i in range(10)
}


def options(tmp_path):
    return {"image_size": 8, "cache_dir": tmp_path / "cache"}


@pytest.mark.parametrize("files", [flat(), flat("train/"), PET_IMAGES, flat("kaggle/train/")])
@pytest.mark.parametrize("packed", [False, True])
def test_every_known_form_gives_cats_0_and_dogs_1(tmp_path, files, packed):
    root = make(files, tmp_path / "pets")
    if packed:
        with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
            for name in files:
                archive.write(root / name, name)
        root = tmp_path / "pets.zip"
    splits = asirra.load_asirra(root, crop_size=6, **options(tmp_path))
    assert splits.class_names == ("cat", "dog")
    assert [part.num_examples for part in (splits.train, splits.val, splits.test)] == [13, 3, 4]
    for part in (splits.train, splits.val, splits.test):
        bright = np.asarray(part.images)[:, 0, 0, 0] >= 200
        np.testing.assert_array_equal(part.labels, np.eye(2)[bright.astype(int)])


@pytest.mark.parametrize("test_folder", ["test", "test1"])
def test_kaggles_test_images_without_labels_are_not_used(tmp_path, caplog, test_folder):
    files = {**flat("train/"), **{f"{test_folder}/{i}.jpg": 0 for i in range(5)}}
    splits = asirra.load_asirra(make(files, tmp_path / "pets"), crop_size=6, **options(tmp_path))
    assert splits.train.num_examples + splits.val.num_examples + splits.test.num_examples == 20
    assert "the 5 test images" in caplog.text


def test_a_labelled_test_folder_is_the_test_set(tmp_path):
    root = make({**flat("train/"), **flat("test/", 3)}, tmp_path / "pets")
    splits = asirra.load_asirra(root, crop_size=6, **options(tmp_path))
    assert set(splits.test.file_names) == set(flat("test/", 3))


@pytest.mark.fault(9)
@pytest.mark.parametrize("name", ["cow.1.jpg", "category.1.jpg", "1.jpg", "cat"])
def test_a_file_that_is_neither_cat_nor_dog_is_an_error(tmp_path, name):
    root = make({**flat(), name + ".png": 0}, tmp_path / "pets")
    if name == "cat":  # cat.png follows the rule
        assert asirra.read_asirra_subset(root, **options(tmp_path))[0].shape[0] == 21
        return
    with pytest.raises(DataError, match=rf"1 of 21 images in '.*pets' have no class \('{name}.png'\)"):
        asirra.read_asirra_subset(root, **options(tmp_path))
    with pytest.raises(DataError, match="have no class"):
        asirra.load_asirra(root, crop_size=6, **options(tmp_path))


def test_read_asirra_subset_is_shuffled_by_the_seed(tmp_path):
    root = make(flat(), tmp_path / "train")
    images, labels = asirra.read_asirra_subset(root, **options(tmp_path))
    again, _ = asirra.read_asirra_subset(root, **options(tmp_path))
    other, _ = asirra.read_asirra_subset(root, seed=1, **options(tmp_path))
    levels = np.asarray(images)[:, 0, 0, 0]
    assert images.shape == (20, 8, 8, 3)
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, np.eye(2)[(levels >= 200).astype(int)])
    assert sorted(levels.tolist()) == sorted(flat().values()) != levels.tolist()
    np.testing.assert_array_equal(again, images)
    assert (np.asarray(other) != np.asarray(images)).any()


def test_read_asirra_subset_takes_class_numbers_and_a_sample(tmp_path):
    root = make(flat(), tmp_path / "train")
    images, labels = asirra.read_asirra_subset(root, one_hot=False, sample_size=7, **options(tmp_path))
    assert images.shape[0] == 7
    np.testing.assert_array_equal(labels, np.asarray(images)[:, 0, 0, 0] >= 200)


@pytest.mark.fault(47)
def test_a_sampled_image_that_is_damaged_does_not_refuse_its_class(tmp_path, caplog):
    root = make(flat(), tmp_path / "train")
    for name in flat(num_images=5):
        if name.startswith("dog"):
            (root / name).write_bytes(b"")
    sampled = {"sample_size": 4, "max_bad_fraction": 1.0, **options(tmp_path)}
    codes = [len(asirra.read_asirra_subset(root, seed=seed, **sampled)[0]) for seed in range(12)]
    assert min(codes) < 4
    assert "none of the images of 'dog' can be read" in caplog.text


def test_the_sets_of_the_original_post_are_built_from_slices(tmp_path):
    images, labels = asirra.read_asirra_subset(make(flat(), tmp_path / "train"), **options(tmp_path))
    val_set = asirra.DataSet(images[:4], labels[:4])
    train_set = asirra.DataSet(images[4:], labels[4:])
    assert (val_set.num_examples, train_set.num_examples) == (4, 16)
    assert val_set.images.base is train_set.images.base
    assert train_set.next_batch(5)[0].shape == (5, 8, 8, 3)
    assert (images.min(), images.max()) == (0, 209)
