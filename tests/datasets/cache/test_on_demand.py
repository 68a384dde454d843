"""datasets/cache/on_demand.py: images that are decoded whenever a batch needs them are those of the cache."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from datasets.cache import on_demand
from datasets.errors import DataError
from datasets.folder import load_folder
from datasets.images.decode import read_resized

SIDE, CROP = 14, 10


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("cat", 9), ("dog", 21)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def load(path, store, **options):
    sizes = {"image_size": SIDE, "crop_size": CROP, "cache_dir": path.parent / f"cache-{store}"}
    return load_folder(path, store=store, **{**sizes, **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"crop_scale": (0.3, 1.0)},
        {"order": "balanced"},
        {"pca_color": 0.1},
        {"padding": 2},
        {"resize": "crop"},
    ],
    ids=str,
)
def test_every_batch_is_that_of_the_cache(options, photos):
    cached, files = load(photos, "cache", **options), load(photos, "files", **options)
    assert files.fingerprint == cached.fingerprint
    np.testing.assert_array_equal(files.train.image_mean, cached.train.image_mean)
    for _ in range(4):  # the third straddles two epochs
        for one, two in zip(files.train.next_batch(7), cached.train.next_batch(7), strict=True):
            np.testing.assert_array_equal(one, two)
    assert files.train.cursor == cached.train.cursor
    for augment in (False, True):
        one, two = (splits.test.batch([3, 0, -1], augment=augment)[0] for splits in (files, cached))
        np.testing.assert_array_equal(one, two)


def test_an_archive_is_read_member_by_member(photos):
    with zipfile.ZipFile(photos.parent / "photos.zip", "w") as archive:
        for path in photos.rglob("*.png"):
            archive.write(path, path.relative_to(photos))
    files = load(photos.parent / "photos.zip", "files")
    np.testing.assert_array_equal(files.train.batch([0, 1])[0], load(photos, "cache").train.batch([0, 1])[0])


def test_no_pixels_are_kept_and_the_list_is_used_again(photos, monkeypatch):
    load(photos, "files")
    [entry] = (photos.parent / "cache-files").iterdir()
    assert {path.name for path in entry.iterdir()} == {"manifest.json", "sums.npy", "digests.npy"}
    monkeypatch.setattr("datasets.cache.build.read_resized", None)  # no file is decoded for the list again
    assert load(photos, "files").train.batch([0])[0].shape == (1, CROP, CROP, 3)


def test_each_image_of_a_batch_is_decoded_once(photos, monkeypatch):
    splits, decoded = load(photos, "files"), []
    monkeypatch.setattr(on_demand, "read_resized", lambda *a, **o: decoded.append(1) or read_resized(*a, **o))
    crops, _ = splits.test.batch([0, 1, 0], augment=True)
    assert (crops.shape[:2], len(decoded)) == ((3, 10), 2)


def test_rows_are_read_as_from_an_array(photos):
    images, pixels = (load(photos, store).train.images for store in ("files", "cache"))
    pixels = np.asarray(pixels)
    assert (images.shape, images.dtype, len(images)) == (pixels.shape, pixels.dtype, len(pixels))
    for key in (3, -1, [2, 0, 2], (1, slice(2, 5)), (slice(0, 3), 2, 4), ([0, 2], slice(None), slice(1, 3))):
        np.testing.assert_array_equal(images[key], pixels[key])
    np.testing.assert_array_equal(np.asarray(images[2:6]), pixels[2:6])


@pytest.mark.fault(12)
def test_a_file_that_vanishes_or_changes_is_named(photos):
    splits = load(photos, "files")
    names = splits.train.file_names
    (photos / names[0]).write_text("<html>")
    with pytest.raises(DataError, match=f"'{names[0]}' in .* no longer can .*; do not change files"):
        splits.train.batch([0])
    shutil.rmtree(photos)
    with pytest.raises(DataError, match=f"'{names[1]}' in .* no longer can .*No such file"):
        splits.train.batch([1])
