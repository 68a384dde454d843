import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DataError, OptionError
from datasets.images.resizing import resize_image
from datasets.mnist import holds_mnist, load_mnist, read_idx
from tests.support.made_sets import idx, mnist_parts, write_mnist


@pytest.fixture(scope="module")
def parts():
    return mnist_parts()


@pytest.fixture
def folder(parts, tmp_path):
    return write_mnist(tmp_path / "mnist", parts)


def test_packed_unpacked_and_dotted_files_give_the_same_splits(parts, tmp_path):
    fingerprints = set()
    for packed in (True, False):
        for dotted in (True, False):
            path = write_mnist(tmp_path / f"{packed}-{dotted}", parts, packed=packed, dotted=dotted)
            assert holds_mnist(path)
            splits = load_mnist(path, val_fraction=0.5)
            sizes = [part.num_examples for part in (splits.train, splits.val, splits.test)]
            assert sizes == [30, 30, 20]
            np.testing.assert_array_equal(np.asarray(splits.test.images), parts["t10k"][0][..., None])
            assert splits.test.labels.argmax(axis=1).tolist() == parts["t10k"][1].tolist()
            fingerprints.add(splits.fingerprint)
    assert len(fingerprints) == 1


def test_digits_are_grey_never_mirrored_and_fill_the_window(folder):
    splits = load_mnist(folder, val_fraction=0.0)
    assert splits.val is None
    assert splits.class_names == tuple("0123456789")
    assert splits.train.images.shape == (60, 28, 28, 1)
    assert (splits.train.crops.reflect, splits.train.crops.padding, splits.train.num_crops) == (False, 0, 1)
    assert splits.train.next_batch(5)[0].shape == (5, 28, 28, 1)


def test_sample_size_and_resizing(folder, parts):
    splits = load_mnist(folder, sample_size=10, val_fraction=0.0, image_size=32, crop_size=28, padding=2)
    assert splits.train.num_examples == splits.test.num_examples == 10
    row = int(splits.train.file_names[4].removeprefix("train"))
    expected = resize_image(parts["train"][0][row][..., None], 32, 32)
    np.testing.assert_array_equal(splits.train.images[4], expected)
    assert splits.train.crops.padding == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 3}, "channels is 3, but these images are grey; give 1"),
        ({"pca_color": 0.1}, "pca_color is 0.1; it must be 0 for grey images"),
        ({"crop_size": 29}, "crop_size is 29; it must be at most image_size, 28"),
        ({"sample_size": -1}, "sample_size is -1"),
    ],
)
def test_impossible_options_are_named(folder, options, message):
    with pytest.raises(OptionError, match=message):
        load_mnist(folder, **options)


def refused(path, message):
    with pytest.raises(DataError, match=message) as error:
        load_mnist(path)
    assert error.value.exit_code == 3
    assert str(error.value).isprintable()


@pytest.mark.fault(18)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_missing_file_is_named(folder, name):
    (folder / f"{name}.gz").unlink()
    refused(folder, rf"there is no {name}\(.gz\) in '.*mnist'; give the folder that holds the four files")


def test_images_are_not_mnist(tmp_path):
    (tmp_path / "0").mkdir()
    Image.new("L", (28, 28)).save(tmp_path / "0" / "0.png")
    assert not holds_mnist(tmp_path)
    assert not holds_mnist(tmp_path / "nowhere")
    refused(tmp_path, "or for images in one folder per class --data.name folder")


IMAGES = np.zeros((3, 28, 28), np.uint8)
HEADER = b"\0\0\x08\x03" + struct.pack(">3I", 3, 28, 28)


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing; an IDX file of bytes starts with 00000801 or 00000803"),
        (b"\0\0", "starts with 0000;"),
        (b"<html>", "starts with 3c68746d;"),
        (b"\0\0\x0d\x03" + idx(IMAGES)[4:], "starts with 00000d03;"),  # floats
        (b"\0\0\x08\x02" + idx(IMAGES)[4:], "starts with 00000802;"),
        (b"\1\0\x08\x03" + idx(IMAGES)[4:], "starts with 01000803;"),
        (HEADER[:-1], "ends within its header; download it again"),
        (HEADER, "should hold 2352 bytes of data and holds 0"),
        (idx(IMAGES)[:-1], "should hold 2352 bytes of data and holds 2351"),
        (idx(IMAGES) + b"\0", "should hold 2352 bytes of data and holds more"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 4, 28, 28) + bytes(2352), "should hold 3136 bytes"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_not_an_idx_file_of_its_size(tmp_path, content, message, packed):
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=message):
        read_idx(path)


@pytest.mark.parametrize("array", [IMAGES, np.arange(5, dtype=np.uint8), IMAGES[:0]])
def test_an_idx_file_is_read_as_it_was_written(tmp_path, array):
    (tmp_path / "x").write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), array)


@pytest.mark.fault(14)
def test_a_truncated_packed_file_is_refused(tmp_path):
    whole = gzip.compress(idx(mnist_parts(3)["train"][0]))
    for size in range(0, len(whole), 7):
        (tmp_path / "x.gz").write_bytes(whole[:size])
        with pytest.raises(DataError):
            read_idx(tmp_path / "x.gz")
    for position in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[position] ^= 0xFF
        (tmp_path / "x.gz").write_bytes(flipped)
        try:
            read_idx(tmp_path / "x.gz")
        except DataError as error:
            assert str(error).isprintable()


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    "shape", [(2**32 - 1, 28, 28), (2**31, 2**31, 2**31), (60_000, 2**20, 28), (2**24, 28, 28)]
)
@pytest.mark.parametrize("packed", [False, True])
def test_huge_counts_are_refused_before_memory_is_taken(tmp_path, shape, packed):
    content = b"\0\0\x08\x03" + struct.pack(">3I", *shape) + bytes(100)
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    with pytest.raises(DataError, match="says that it holds"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.fault(18)
def test_files_that_do_not_belong_together(folder, parts):
    labels = folder / "train-labels-idx1-ubyte.gz"
    good = parts["train"][1]
    for array, message in (
        (good[:-1], r"holds labels of shape \(59,\) for 60 images"),
        (np.where(good == 9, 10, good).astype(np.uint8), r"holds a label beyond 0\.\.9"),
        (parts["train"][0], "do not belong together"),
    ):
        labels.write_bytes(gzip.compress(idx(array)))
        refused(folder, message)
    labels.write_bytes(gzip.compress(idx(good)))
    images = folder / "train-images-idx3-ubyte.gz"
    for array in (parts["train"][0][:, :27], good):
        images.write_bytes(gzip.compress(idx(array)))
        refused(folder, "not images of 28x28")
    images.write_bytes(gzip.compress(idx(parts["train"][0][:0])))
    labels.write_bytes(gzip.compress(idx(good[:0])))
    refused(folder, "or none")


DATA = Path(os.environ.get("SESSIONNET_TEST_DATA", "nowhere")) / "mnist"


@pytest.mark.skipif(
    not holds_mnist(DATA), reason="set SESSIONNET_TEST_DATA to a folder that holds mnist/ with the four files"
)
def test_the_real_set():
    splits = load_mnist(DATA, val_fraction=0.0)
    assert splits.train.images.shape == (60_000, 28, 28, 1)
    assert splits.test.images.shape == (10_000, 28, 28, 1)
    assert splits.train.labels[:5].argmax(axis=1).tolist() == [5, 0, 4, 1, 9]
    assert splits.test.labels[:5].argmax(axis=1).tolist() == [7, 2, 1, 0, 4]
    np.testing.assert_allclose(splits.train.image_mean * 255, 33.318, atol=0.001)
