import io
import json
import logging
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.cache import build, store
from datasets.cache.store import load_images
from datasets.errors import DataError, StorageError
from datasets.image_files.folder_or_zip import open_source
from datasets.images.decode import read_resized
from datasets.images.duplicates import pixel_digests
from datasets.options.fields import sides
from datasets.options.loading import DecodeOptions
from datasets.storage.cache_folders import _temporary_folder, default_cache_dir


def picture(level, side=12):
    pixels = np.full((side, side + 4, 3), level, np.uint8)
    pixels[: side // 2, :, 1] = 255 - level
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for i in range(40):
        (root / f"{i:02d}.jpg").write_bytes(picture(6 * i))
    return root


def load(folder, workers=None, **options):
    source = open_source(folder)
    names = [file.name for file in source.files()]
    options = DecodeOptions(**{"image_size": 8, "cache_dir": folder.parent / "cache", **options})
    return load_images(source, names, options, workers=workers)


def entry_of(folder):
    (entry,) = (folder.parent / "cache").iterdir()
    return entry


@pytest.fixture
def decoded(monkeypatch):
    """Counts the files that are decoded."""
    count = []

    def counting(*args, **options):
        count.append(1)
        return read_resized(*args, **options)

    monkeypatch.setattr(build, "read_resized", counting)
    return count


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_are_the_decoded_files_in_order(folder, workers):
    images = load(folder, workers=workers)
    assert isinstance(images.images, np.memmap)
    assert images.names == [f"{i:02d}.jpg" for i in range(40)]
    expected = np.stack([read_resized(folder / name, 8) for name in images.names])
    np.testing.assert_array_equal(images.images, expected)
    np.testing.assert_array_equal(images.sums, expected.sum(axis=(1, 2), dtype=int))
    np.testing.assert_array_equal(images.digests, pixel_digests(expected))
    assert not images.images.flags.writeable


def test_the_second_time_nothing_is_decoded(folder, decoded):
    first = load(folder)
    assert len(decoded) == 40
    second = load(folder)
    assert len(decoded) == 40
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.digests, second.digests)
    assert (second.names, second.bad, second.fingerprint) == (first.names, first.bad, first.fingerprint)


@pytest.mark.fault(12)
@pytest.mark.parametrize("options", [{"image_size": 9}, {"image_size": (8, 6)}, {"channels": 1}])
def test_another_transform_is_another_entry(folder, decoded, options):
    first = load(folder)
    second = load(folder, **options)
    assert len(decoded) == 80
    shape = *sides(options.get("image_size", 8)), options.get("channels", 3)
    assert second.images.shape == (40, *shape)
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("fit", ["crop", "letterbox"])
def test_images_that_are_resized_in_another_way_are_another_entry(tmp_path, decoded, fit):
    Image.fromarray(np.arange(240, dtype=np.uint8).reshape(8, 10, 3)).save(tmp_path / "wide.png")
    first = load(tmp_path)
    second = load(tmp_path, resize=fit)
    assert len(decoded) == 2
    assert first.fingerprint != second.fingerprint
    np.testing.assert_array_equal(second.images[0], read_resized(tmp_path / "wide.png", 8, fit=fit))


@pytest.mark.fault(12)
def test_a_change_of_the_source_is_seen(folder, decoded):
    first = load(folder)
    (folder / "05.jpg").write_bytes(picture(255))
    second = load(folder)
    assert len(decoded) == 80
    assert second.fingerprint != first.fingerprint
    assert second.images[5].mean() > first.images[5].mean()
    (folder / "05.jpg").unlink()
    assert len(load(folder).names) == 39


def test_the_fingerprint_does_not_depend_on_the_place(folder):
    first = load(folder)
    moved = folder.rename(folder.parent / "moved")
    assert load(moved).fingerprint == first.fingerprint


def flip(path):
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def cut(path):
    os.truncate(path, path.stat().st_size - 100)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.fault(12)
@pytest.mark.parametrize("name", ["images.npy", "sums.npy", "digests.npy", "manifest.json"])
@pytest.mark.parametrize("damage", [flip, cut, empty, os.unlink])
def test_a_damaged_entry_is_built_again(folder, decoded, name, damage):
    first = load(folder)
    expected = np.array(first.images)
    path = entry_of(folder) / name
    if (name, damage) == ("manifest.json", flip):
        path.write_text(json.dumps({**json.loads(path.read_text()), "checksum": "0" * 64, "images_bytes": 1}))
    else:
        damage(path)
    second = load(folder)
    assert len(decoded) == 80
    np.testing.assert_array_equal(second.images, expected)
    assert second.fingerprint == first.fingerprint
    entry_of(folder)


def test_a_touched_entry_with_the_same_pixels_is_used(folder, decoded):
    load(folder)
    os.utime(entry_of(folder) / "images.npy", ns=(1, 1))
    load(folder)
    assert len(decoded) == 40


def test_a_file_in_the_place_of_the_entry_is_replaced(folder):
    load(folder)
    entry = entry_of(folder)
    for path in entry.iterdir():
        path.unlink()
    entry.rmdir()
    entry.write_bytes(b"")
    assert len(load(folder).names) == 40
    assert entry_of(folder).is_dir()


@pytest.mark.fault(1, 11)
def test_bad_files_are_left_out_named_and_counted(folder, caplog):
    (folder / "07.jpg").write_bytes(b"")
    (folder / "line\nbreak.jpg").write_bytes(b"<html>")
    (folder / "x.jpg").symlink_to(folder / "absent")
    with caplog.at_level(logging.WARNING):
        images = load(folder, max_bad_fraction=0.1)
    assert [name for name, _ in images.bad] == ["07.jpg", "line\nbreak.jpg", "x.jpg"]
    assert images.images.shape[0] == len(images.names) == len(images.sums) == 39
    np.testing.assert_array_equal(images.images[7], read_resized(folder / "08.jpg", 8))
    (message,) = (record.getMessage() for record in caplog.records)
    assert "3 of 42 images in " in message
    assert "'07.jpg': the file is empty" in message
    assert "'line\\nbreak.jpg': not an image" in message
    assert "'x.jpg': cannot be read (No such file" in message


@pytest.mark.fault(1)
@pytest.mark.parametrize("warm", [False, True])
def test_more_bad_files_than_allowed_stop_it(folder, warm):
    for i in range(3):
        (folder / f"{i:02d}.jpg").write_bytes(b"")
    if warm:
        load(folder, max_bad_fraction=1.0)
    with pytest.raises(DataError, match=r"3 of 40 images .*allow more with --data.max_bad_fraction"):
        load(folder, max_bad_fraction=0.05)
    assert len(load(folder, max_bad_fraction=0.075).names) == 37


@pytest.mark.fault(1)
@pytest.mark.parametrize("warm", [False, True])
def test_strict_stops_at_the_first_bad_file(folder, warm):
    (folder / "03.jpg").write_bytes(b"")
    if warm:
        load(folder)
    with pytest.raises(DataError, match=r"'03.jpg'.*the file is empty"):
        load(folder, strict=True)
    assert warm or not list((folder.parent / "cache").iterdir())


@pytest.mark.fault(1)
def test_only_bad_files_are_an_error(folder):
    for path in folder.iterdir():
        path.write_bytes(b"junk")
    with pytest.raises(DataError, match=r"none of 40 files can be decoded; '00.jpg' .*not an image"):
        load(folder, max_bad_fraction=1.0)


def test_a_bad_file_that_became_readable_is_tried_again(folder):
    path = folder / "03.jpg"
    target = folder.parent / "elsewhere"
    path.unlink()
    path.symlink_to(target)
    assert len(load(folder).names) == 39
    target.write_bytes(picture(18))
    assert len(load(folder).names) == 40


def test_a_cache_folder_that_cannot_be_made_is_an_error_that_names_the_option(folder):
    (folder.parent / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot be kept in '.*file/cache'.*--data.cache_dir") as error:
        load(folder, cache_dir=folder.parent / "file" / "cache")
    assert error.value.exit_code == 6


@pytest.mark.fault(33)
def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "_to_disk", full)
    with pytest.raises(StorageError, match="No space left on device"):
        load(folder)
    assert list((folder.parent / "cache").iterdir()) == []


def test_builders_of_the_same_entry_at_once_all_end_well(folder):
    results, start = [], threading.Barrier(4)

    def load_one():
        start.wait()
        results.append(load(folder, workers=1))

    threads = [threading.Thread(target=load_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({images.fingerprint for images in results}) == 1
    assert len(results) == 4
    entry_of(folder)


@pytest.mark.fault(32)
def test_what_a_killed_build_left_is_removed_once_it_is_old(folder):
    root = folder.parent / "cache"
    for name, age in (("tmp-old", 2 * store._ABANDONED), ("tmp-new", 0)):
        path = root / name
        path.mkdir(parents=True)
        (path / "images.npy").write_bytes(b"x")
        for touched in (path / "images.npy", path):
            os.utime(touched, (touched.stat().st_mtime - age,) * 2)
    load(folder)
    assert sorted(path.name for path in root.iterdir() if path.name.startswith("tmp")) == ["tmp-new"]


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SESSIONNET_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache_dir() == tmp_path / ".cache" / "sessionnet"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert default_cache_dir() == tmp_path / "x" / "sessionnet"
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "own"))
    assert default_cache_dir() == tmp_path / "own"


@pytest.fixture
def no_choice(monkeypatch, tmp_path):
    """Leave the cache folder unset; temporary folders are created in tmp_path."""
    for name in ("SESSIONNET_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _temporary_folder.cache_clear()
    yield
    _temporary_folder.cache_clear()


def no_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.fault(50)
@pytest.mark.parametrize("home", ["none", "read-only"])
def test_without_a_home_to_write_images_are_kept_while_the_process_lasts(
    folder, no_choice, monkeypatch, tmp_path, caplog, home
):
    if home == "none":
        monkeypatch.setattr(Path, "home", no_home)
    else:  # a file in the way: root may write any folder
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / ".cache").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
    source = open_source(folder)
    names = [file.name for file in source.files()]
    for _ in range(2):
        assert len(load_images(source, names, DecodeOptions(image_size=8)).images)
    (made,) = tmp_path.glob("sessionnet-*")
    assert made.stat().st_mode & 0o777 == 0o700
    assert len(list(made.iterdir())) == 1  # decoded once
    (record,) = [record for record in caplog.records if "home" in record.getMessage()]
    assert f"decoded images are kept in '{made}' until this process ends" in record.getMessage()
    assert "--data.cache_dir" in record.getMessage()


@pytest.mark.fault(50)
def test_the_images_in_a_read_only_home_are_used(folder, no_choice, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("HOME", str(tmp_path))
    source = open_source(folder)
    names = [file.name for file in source.files()]
    load_images(source, names, DecodeOptions(image_size=8))
    monkeypatch.setattr(os, "access", lambda *_: False)
    load_images(source, names, DecodeOptions(image_size=8))
    assert not list(tmp_path.glob("sessionnet-*"))
    assert not caplog.records


@pytest.mark.fault(50)
def test_without_a_home_downloads_ask_for_a_folder(no_choice, monkeypatch):
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(StorageError, match=r"no home directory to keep files in; set \$SESSIONNET_CACHE"):
        default_cache_dir()


@pytest.mark.fault(35)
def test_too_little_memory_is_not_a_bad_file_and_leaves_no_files(folder, monkeypatch):
    def exhausted(*args, **options):
        raise MemoryError

    monkeypatch.setattr(build, "read_resized", exhausted)
    with pytest.raises(MemoryError):
        load(folder, max_bad_fraction=1.0)
    assert list((folder.parent / "cache").iterdir()) == []
