import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DataError, OptionError
from datasets.folder import load_folder


def picture(level):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def fill(root, folders, num_images=10):
    """Write images in folders; the grey level of an image tells its class: 10, 20, 30, ..."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for i in range(num_images):
            (root / folder / f"{i}.png").write_bytes(picture(10 * (number + 1)))
    return root


def load(path, **options):
    return load_folder(
        path, **{"image_size": 8, "crop_size": 6, "cache_dir": path.parent / "cache", **options}
    )


def names_of(dataset):
    return set(dataset.file_names)


def test_classes_are_sorted_and_labels_follow_the_folders(tmp_path):
    splits = load(fill(tmp_path / "pets", ["dog", "cat", "bird"]))
    assert splits.class_names == ("bird", "cat", "dog")
    assert [part.num_examples for part in (splits.train, splits.val, splits.test)] == [19, 5, 6]
    for part in (splits.train, splits.val, splits.test):
        levels = {"dog": 10, "cat": 20, "bird": 30}
        classes = [part.class_names[k] for k in part.labels.argmax(axis=1)]
        assert [name.split("/")[0] for name in part.file_names] == classes
        assert np.asarray(part.images)[:, 0, 0, 0].tolist() == [levels[c] for c in classes]
        assert part.labels.dtype == np.uint8
        assert part.crop_size == 6


def test_given_parts_are_kept(tmp_path):
    root = fill(
        tmp_path / "pets", [f"{part}/{c}" for part in ("train", "val", "test") for c in ("a", "b")], 4
    )
    splits = load(root)
    for part, dataset in (("train", splits.train), ("val", splits.val), ("test", splits.test)):
        assert names_of(dataset) == {f"{part}/{c}/{i}.png" for c in "ab" for i in range(4)}


def test_missing_parts_are_taken_from_train(tmp_path):
    root = fill(tmp_path / "pets", [f"{part}/{c}" for part in ("train", "test") for c in ("a", "b")])
    splits = load(root, val_fraction=0.3)
    assert [part.num_examples for part in (splits.train, splits.val, splits.test)] == [14, 6, 20]
    assert all(name.startswith("train/") for name in names_of(splits.train) | names_of(splits.val))
    assert load(root, val_fraction=0).val is None


def test_a_class_called_train_is_a_class(tmp_path):
    assert load(fill(tmp_path / "vehicles", ["train", "car"])).class_names == ("car", "train")


@pytest.mark.parametrize("prefix", ["", "pets/"])
def test_an_archive_is_read_like_the_folder_it_was_made_from(tmp_path, prefix):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, prefix + path.relative_to(root).as_posix())
    packed, unpacked = load(tmp_path / "pets.zip"), load(root)
    assert packed.class_names == ("cat", "dog")
    np.testing.assert_array_equal(np.asarray(packed.train.images), np.asarray(unpacked.train.images))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "pets", "pets.zip"]


def test_the_same_seed_gives_the_same_splits(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    first, again, other = load(root, seed=1), load(root, seed=1), load(root, seed=2)
    assert first.test.file_names == again.test.file_names
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert names_of(first.test) != names_of(other.test)


def test_a_sample_takes_some_images_and_the_rest_is_not_decoded(tmp_path):
    splits = load(fill(tmp_path / "pets", ["cat", "dog"], 30), sample_size=20)
    parts = [splits.train, splits.val, splits.test]
    assert sum(part.num_examples for part in parts) == 20
    assert splits.train.images.base.shape[0] == 20


def test_the_mean_of_a_part_is_its_own(tmp_path):
    train = load(fill(tmp_path / "pets", ["cat", "dog"])).train
    np.testing.assert_allclose(train.image_mean, np.asarray(train.images).mean(axis=(0, 1, 2)) / 255)


@pytest.mark.fault(1)
def test_bad_files_are_reported(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    (root / "cat" / "0.png").write_bytes(b"")
    splits = load(root)
    assert splits.bad_files == (("cat/0.png", "the file is empty"),)
    assert "cat/0.png" not in names_of(splits.train) | names_of(splits.val) | names_of(splits.test)


@pytest.mark.fault(1, 47)
@pytest.mark.parametrize("part", ["", "train/"])
def test_a_class_without_a_readable_image_is_refused_however_few_images_it_has(tmp_path, part):
    root = fill(tmp_path / "pets", [f"{part}{name}" for name in ("cat", "dog")], 50)
    (root / part / "fox").mkdir()
    for i in range(2):
        (root / part / "fox" / f"{i}.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    message = (
        rf"none of the images of '{part}fox' can be read \('{part}fox/0.jpg': .*\); repair them, or remove"
    )
    with pytest.raises(DataError, match=message) as error:
        load(root)
    assert error.value.exit_code == 3


@pytest.mark.fault(47)
@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_cannot_be_read_in_another_part_is_a_warning(tmp_path, caplog, part):
    root = fill(tmp_path / "pets", ["train/cat", "train/dog", f"{part}/cat"], 30)
    (root / part / "dog").mkdir()
    (root / part / "dog" / "0.png").write_bytes(b"")
    load(root)
    assert f"none of the images of '{part}/dog' can be read ('{part}/dog/0.png': the file is" in caplog.text


@pytest.mark.fault(47)
def test_a_sample_with_only_damaged_images_of_a_class_is_a_warning(tmp_path, caplog):
    root = fill(tmp_path / "pets", ["cat", "dog"], 60)
    fill(root, ["fox"], 4)
    options = {"sample_size": 40, "val_fraction": 0, "test_fraction": 0}
    sampled = {name for name in load(root, **options).train.file_names if name.startswith("fox/")}
    assert 0 < len(sampled) < 4
    for name in sampled:
        (root / name).write_bytes(b"")
    assert load(root, **options).train.num_examples == 40 - len(sampled)
    assert "none of the images of 'fox' can be read" in caplog.text


@pytest.mark.fault(47)
def test_a_sample_without_a_class_says_so(tmp_path, caplog):
    root = fill(tmp_path / "pets", ["a", "b"], 40)
    fill(root, ["rare"], 1)
    load(root, sample_size=12)
    assert "the sample has no image of 'rare'; raise --data.sample_size" in caplog.text


def test_one_channel(tmp_path):
    train = load(fill(tmp_path / "pets", ["cat", "dog"]), channels=1, padding=1).train
    assert train.images.shape[1:] == (8, 8, 1)
    assert train.next_batch(3)[0].shape == (3, 6, 6, 1)
    assert train.pixel_mean.shape == (6, 6, 1)
    assert train.batch([0], augment=True)[0].shape == (1, 10, 6, 6, 1)


def test_options_reach_every_part(tmp_path):
    options = {"reflect": False, "padding": 2, "pca_color": 0.1, "redraw": False}
    splits = load(fill(tmp_path / "pets", ["cat", "dog"], 30), sample_size=40, seed=3, **options)
    assert splits.train.next_batch(4)[0].shape == (4, 6, 6, 3)
    for part in (splits.train, splits.val, splits.test):
        assert {name: getattr(part.crops, name) for name in options} == options
        assert part.seed == 3
    assert sum(part.num_examples for part in (splits.train, splits.val, splits.test)) == 40


@pytest.mark.fault(9)
def test_without_images_the_message_lists_what_was_found(tmp_path):
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "read.me").write_text("")
    with pytest.raises(DataError, match=r"no images in '.*pets' \(found: 'cat', 'read.me'\)") as error:
        load(tmp_path / "pets")
    assert error.value.exit_code == 3


@pytest.mark.fault(9)
def test_a_single_class_says_which(tmp_path):
    with pytest.raises(DataError, match=r"a single class in '.*pets' \('cat'; "):
        load(fill(tmp_path / "pets", ["cat"]))


@pytest.mark.fault(9)
def test_images_outside_the_class_folders_are_named(tmp_path):
    root = fill(tmp_path / "pets", ["cat", "dog"])
    (root / "logo.png").write_bytes(picture(0))
    with pytest.raises(DataError, match=r"1 of 21 images in '.*pets' have no class \('logo.png'\)"):
        load(root)


def test_parts_without_train_and_classes_that_train_lacks_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"no train folder in .*\(found: test, val\)"):
        load(fill(tmp_path / "one", ["val/a", "test/a"]))
    with pytest.raises(DataError, match=r"classes in test that train does not have \('c'\)"):
        load(fill(tmp_path / "two", ["train/a", "train/b", "test/c"]))


def test_too_few_images_for_three_parts(tmp_path):
    with pytest.raises(DataError, match="too few images"):
        load(fill(tmp_path / "pets", ["cat", "dog"], num_images=1))


@pytest.mark.parametrize(
    "options",
    [
        {"crop_size": 9},
        {"crop_size": 0},
        {"sample_size": 0},
        {"val_fraction": 1.0},
        {"padding": -1},
        {"pca_color": -0.1},
        {"pca_color": float("inf")},
        {"pca_color": 0.1, "channels": 1},
    ],
)
def test_impossible_options_are_refused_before_anything_is_decoded(tmp_path, options):
    with pytest.raises(OptionError, match=rf"{next(iter(options))} is .*; it must be") as error:
        load(fill(tmp_path / "pets", ["cat", "dog"]), **options)
    assert error.value.exit_code == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.fault(12, 23)
def test_the_fingerprint_of_ordinary_images_is_that_of_older_versions(tmp_path):
    """Otherwise runs of an older version could not be resumed."""
    root = fill(tmp_path / "pets", ["cat", "dog"])
    grey, deep = (np.arange(64, dtype=dtype).reshape(8, 8) for dtype in (np.uint8, np.uint16))
    for name, pixels in (("cat/grey.png", grey), ("dog/deep.png", deep * 1000)):
        Image.fromarray(pixels).save(root / name)
    assert load(root, seed=1).fingerprint.startswith("287ee5ec0f5e")


def test_labels_of_a_very_large_set_are_class_numbers(tmp_path, monkeypatch):
    path = fill(tmp_path / "pets", ["dog", "cat", "bird"])
    usual = load(path, order="balanced")
    monkeypatch.setattr("datasets.folder.MOST_ONE_HOT", 89)  # bytes; 30 images of 3 classes take 90
    large = load(path, order="balanced")
    for part in ("train", "val", "test"):
        one_hot, numbers = getattr(usual, part), getattr(large, part)
        assert numbers.labels.tolist() == numbers.classes.tolist() == one_hot.labels.argmax(axis=1).tolist()
        assert one_hot.classes.tolist() == numbers.classes.tolist()
        assert numbers.file_names == one_hot.file_names
    images, labels = large.train.next_batch(4)
    expected, one_hot = usual.train.next_batch(4)
    np.testing.assert_array_equal(images, expected)
    assert labels.tolist() == one_hot.argmax(axis=1).tolist()
