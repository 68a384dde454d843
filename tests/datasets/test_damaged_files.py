"""Damaged files of every kind, the same in each run: each is read, or refused in one line.

`FUZZ=50 python -m pytest tests/datasets/test_damaged_files.py` tries fifty times as many.
"""

import gzip
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets.augment.windows import corner_center_windows, crop_reflect, draw_crops
from datasets.cifar10 import load_cifar10
from datasets.dataset import DataSet
from datasets.errors import DataError
from datasets.images.decode import ImageError, inspect_image, read_image, read_resized
from datasets.images.formats import SUFFIXES
from datasets.mnist import read_idx
from datasets.storage.plain_pickle import load_plain_pickle
from tests.support.fuzzing import damaged, often
from tests.support.made_profiles import profile
from tests.support.made_sets import (
    change_entry,
    cifar_parts,
    idx,
    pack,
    python2_pickle,
    write_binary_batches,
    write_python_batches,
)


def encoded(form, mode, **options):
    noise = np.random.default_rng(1).integers(0, 256, (19, 23, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).convert(mode)
    frames = {"save_all": True, "append_images": [picture.rotate(90)]} if form in ("GIF", "WEBP") else {}
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned = {"exif": exif} if form in ("JPEG", "TIFF", "WEBP", "PNG") else {}
    picture.save(file, form, **turned, **frames, **options)
    return file.getvalue()


IMAGES = {
    "jpeg": encoded("JPEG", "RGB"),
    "progressive": encoded("JPEG", "RGB", progressive=True),
    "cmyk": encoded("JPEG", "CMYK"),
    "png": encoded("PNG", "RGBA"),
    "palette": encoded("PNG", "P", transparency=3),
    "gif": encoded("GIF", "P"),
    "webp": encoded("WEBP", "RGB"),
    "bmp": encoded("BMP", "P"),
    "tiff": encoded("TIFF", "RGB"),
    "lzw": encoded("TIFF", "L", compression="tiff_lzw"),
    "ppm": encoded("PPM", "RGB"),
    "deep": encoded("PNG", "I;16"),
    "floats": encoded("TIFF", "F"),
    "profile": encoded("PNG", "RGB", icc_profile=profile("linear"), compress_level=0),
    **({"avif": encoded("AVIF", "RGB")} if "AVIF" in SUFFIXES else {}),
}


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("name", IMAGES)
def test_damaged_images_are_read_or_refused_alike_by_every_reader(name):
    rng = np.random.default_rng(sum(name.encode()))
    refused = 0
    for _ in range(often(500)):
        data = damaged(IMAGES[name], rng)
        try:
            pixels = read_image(data)
        except ImageError as error:
            refused += 1
            assert "\n" not in str(error)
            with pytest.raises(ImageError):
                inspect_image(data)
            continue
        assert (pixels.dtype, pixels.shape[2]) == (np.uint8, 3)
        np.testing.assert_array_equal(inspect_image(data)[0], pixels)
        assert read_resized(data, 5).shape == (5, 5, 3)
    assert 0 < refused < often(500)


@pytest.mark.fault(18)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_idx_files_are_read_or_refused(tmp_path, packed):
    rng = np.random.default_rng(2)
    whole = idx(rng.integers(0, 256, (5, 28, 28), dtype=np.uint8))
    path = tmp_path / ("x.gz" if packed else "x")
    refused = 0
    for _ in range(often(400)):
        path.write_bytes(damaged(gzip.compress(whole, mtime=0) if packed else whole, rng))
        try:
            array = read_idx(path)
        except DataError as error:
            refused += 1
            assert str(error).isprintable()
        else:
            assert array.dtype == np.uint8
            assert array.ndim in (1, 3)
    assert refused
    assert packed or refused < often(400)  # gzip has a checksum


@pytest.mark.fault(17)
def test_damaged_pickles_are_read_or_refused():
    rng = np.random.default_rng(3)
    whole = python2_pickle(
        {"labels": [1, 2], "data": np.zeros((2, 40), np.uint8), "names": ["a", ("b", None)]}
    )
    refused = 0
    for _ in range(often(2000)):
        try:
            load_plain_pickle(damaged(whole, rng), "x")
        except DataError as error:
            refused += 1
            assert str(error).isprintable()
    assert 0 < refused < often(2000)


@pytest.mark.fault(14, 18)
@pytest.mark.parametrize("write", [write_python_batches, write_binary_batches])
def test_damaged_batches_and_archives_are_read_or_refused(tmp_path, monkeypatch, write):
    change_entry(monkeypatch, "cifar10", verified=())
    rng = np.random.default_rng(4)
    folder = write(tmp_path / "batches", cifar_parts(10))
    test_batch = next(path for path in folder.iterdir() if path.name.startswith("test_batch"))
    archive = pack(folder, tmp_path / "x.tar", "w")
    for path in (test_batch, archive):
        whole = path.read_bytes()
        for _ in range(often(60)):
            path.write_bytes(damaged(whole, rng))
            try:
                splits = load_cifar10(folder if path is test_batch else path, val_fraction=0.0)
            except DataError as error:
                assert str(error).isprintable()
            else:
                assert splits.test.images.shape[1:] == (32, 32, 3)
        path.write_bytes(whole)


# headers, crops and batches of any size


@pytest.mark.fault(18)
@settings(max_examples=often(200), deadline=None)
@given(
    kind=st.integers(0, 2**32 - 1) | st.sampled_from([0x801, 0x803]),
    sizes=st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 30), max_size=4),
    body=st.binary(max_size=60),
)
def test_any_idx_header_is_read_as_it_says_or_refused(tmp_path_factory, kind, sizes, body):
    path = tmp_path_factory.getbasetemp() / "any_header"
    content = struct.pack(">I", kind) + struct.pack(f">{len(sizes)}I", *sizes) + body
    path.write_bytes(content)
    try:
        array = read_idx(path)
    except DataError as error:
        assert str(error).isprintable()
    else:
        assert idx(array) == content


@pytest.mark.fault(18)
@settings(max_examples=often(50), deadline=None)
@given(records=st.integers(0, 3), extra=st.integers(-2, 2), label=st.integers(0, 255))
def test_any_binary_batch_is_read_as_it_is_or_refused(tmp_path_factory, records, extra, label):
    folder = tmp_path_factory.getbasetemp() / "any_batch"
    if not folder.exists():
        write_binary_batches(folder, cifar_parts(10))
    content = (bytes([label]) + bytes(range(256)) * 12) * records
    content = content[:extra] if extra < 0 else content + bytes(extra)
    (folder / "test_batch.bin").write_bytes(content)
    try:
        test = load_cifar10(folder, val_fraction=0.0).test
    except DataError as error:
        assert str(error).isprintable()
        assert extra or label > 9 or not records
    else:
        assert (test.num_examples, test.labels.argmax(axis=1).tolist()) == (records, [label] * records)


@settings(max_examples=often(100), deadline=None)
@given(
    num_images=st.integers(1, 30),
    batch_sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    stop=st.integers(0, 8),
    seed=st.integers(0, 2**64),
)
def test_every_image_comes_once_per_epoch_for_any_batches_and_resume(num_images, batch_sizes, stop, seed):
    def new_set():
        return DataSet(
            np.zeros((num_images, 2, 2, 1), np.uint8), np.arange(num_images), crop_size=1, seed=seed
        )

    dataset, seen = new_set(), []
    while len(seen) < 3 * num_images:
        for size in batch_sizes:
            if stop == 0:
                cursor, dataset = dataset.cursor, new_set()
                dataset.cursor = cursor
            stop -= 1
            images, labels = dataset.next_batch(size)
            assert len(images) == len(labels) == size
            seen.extend(labels.tolist())
    for epoch in range(3):
        order = seen[epoch * num_images : (epoch + 1) * num_images]
        assert sorted(order) == list(range(num_images))
    assert seen[: 3 * num_images] == new_set().next_batch(3 * num_images)[1].tolist()


@settings(max_examples=often(100), deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 3),
    data=st.data(),
    flip=st.booleans(),
)
def test_a_window_is_what_slicing_the_padded_image_gives(height, width, padding, data, flip):
    crop = data.draw(st.integers(1, min(height, width) + 2 * padding))
    top = data.draw(st.integers(0, height + 2 * padding - crop))
    left = data.draw(st.integers(0, width + 2 * padding - crop))
    images = np.arange(2 * height * width * 3, dtype=np.uint8).reshape(2, height, width, 3)
    arrays = [np.array([value]) for value in (1, top, left, flip)]
    (found,) = crop_reflect(images, *arrays, crop, padding=padding, fill=7)
    padded = np.pad(images[1], ((padding, padding), (padding, padding), (0, 0)), constant_values=7)
    expected = padded[top : top + crop, left : left + crop]
    np.testing.assert_array_equal(found, expected[:, ::-1] if flip else expected)


@settings(max_examples=often(100), deadline=None)
@given(
    height=st.integers(1, 300), width=st.integers(1, 300), data=st.data(), seed=st.integers(0, 2**32),
    reflect=st.booleans(),
)  # fmt: skip
def test_windows_lie_inside_the_image(height, width, data, seed, reflect):
    crop = data.draw(st.integers(1, min(height, width)))
    drawn = draw_crops(np.random.default_rng(seed), 50, height, width, crop, reflect)
    for tops, lefts, flips in (drawn, corner_center_windows(height, width, crop, reflect)):
        assert 0 <= tops.min() <= tops.max() <= height - crop
        assert 0 <= lefts.min() <= lefts.max() <= width - crop
        assert reflect or not flips.any()
