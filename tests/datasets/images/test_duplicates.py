import io
import logging

import numpy as np
import pytest
from PIL import Image

from datasets.cifar10 import load_cifar10
from datasets.folder import load_folder
from datasets.images.duplicates import pixel_digest, pixel_digests
from datasets.mnist import load_mnist
from tests.support.made_sets import cifar_parts, mnist_parts, write_mnist, write_python_batches

RNG = np.random.default_rng(0)


def picture(form="PNG", pixels=None, **options):
    file = io.BytesIO()
    pixels = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def test_a_digest_tells_pixels_and_sizes_apart():
    images = RNG.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    images[3] = images[1]
    digests = pixel_digests(images)
    assert digests.shape == (5, 16)
    assert len({digest.tobytes() for digest in digests}) == 4
    assert digests[1].tobytes() == digests[3].tobytes() == pixel_digest(images[1].copy())
    assert pixel_digest(images[1]) == pixel_digest(np.asfortranarray(images[1]))
    blank = np.zeros((4, 6, 3), np.uint8)
    assert len({pixel_digest(blank.reshape(shape)) for shape in ((4, 6, 3), (6, 4, 3), (3, 8, 3))}) == 3
    assert pixel_digests(images[:0]).shape == (0, 16)


def tree(root, copies):
    """train, val and test of different images; copies: {name of a copy: name of its original}."""
    for part in ("train", "val", "test"):
        for label in "ab":
            (root / part / label).mkdir(parents=True)
            for i in range(6):
                (root / part / label / f"{i}.png").write_bytes(picture())
    for name, original in copies.items():
        pixels = np.asarray(Image.open(root / original))
        (root / name).write_bytes(picture("BMP", pixels))
    return root


def load(root):
    return load_folder(root, image_size=8, crop_size=8, cache_dir=root.parent / "cache")


@pytest.mark.fault(13)
@pytest.mark.parametrize("warm", [False, True])
def test_images_that_are_also_in_train_are_counted(tmp_path, caplog, warm):
    copies = {f"test/{label}/{i}.png": f"train/{label}/{i}.png" for label in "ab" for i in range(2)}
    copies |= {"test/a/5.png": "train/b/5.png", "val/a/0.png": "train/a/3.png", "val/b/0.png": "test/b/4.png"}
    root = tree(tmp_path / "pets", copies)
    load(root)
    if warm:
        caplog.clear()
        load(root)
    val, test = (record.getMessage() for record in caplog.records)
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert test.startswith("5 images of the test set are also in the training set, ")
    assert "('test/a/0.png' is 'train/a/0.png', 'test/a/1.png' is 'train/a/1.png', " in test
    assert "and 2 more); remove them from one of the two" in test
    assert val.startswith("1 image of the validation set is also in the training set, ")
    assert "('val/a/0.png' is 'train/a/3.png')" in val


@pytest.mark.fault(13)
def test_different_images_give_no_warning(tmp_path, caplog):
    load(tree(tmp_path / "pets", {"train/a/1.png": "train/a/0.png", "test/b/1.png": "test/a/0.png"}))
    assert caplog.records == []


@pytest.mark.fault(13)
def test_a_random_split_that_separates_equal_images_is_reported(tmp_path, caplog):
    for label in "ab":
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "pets" / label / f"{i}.png").write_bytes(
                picture(pixels=np.full((8, 8, 3), ord(label), np.uint8))
            )
    load(tmp_path / "pets")
    assert [record.getMessage().split(" also")[0] for record in caplog.records] == [
        "3 images of the validation set are",
        "4 images of the test set are",
    ]


@pytest.mark.fault(13)
@pytest.mark.parametrize("size", [None, 16])
def test_sets_of_arrays_are_compared_too(tmp_path, caplog, size):
    options = {} if size is None else {"image_size": size, "crop_size": size}
    parts = cifar_parts()
    parts["test_batch"][0][7] = parts["data_batch_2"][0][3]
    load_cifar10(write_python_batches(tmp_path / "cifar", parts), val_fraction=0.0, **options)
    parts = mnist_parts()
    parts["t10k"][0][[1, 2]] = parts["train"][0][[5, 6]]
    load_mnist(write_mnist(tmp_path / "mnist", parts), val_fraction=0.0, **options)
    cifar, mnist = (record.getMessage() for record in caplog.records)
    assert "1 image of the test set is also" in cifar
    assert "'test00007' is 'train00023'" in cifar
    assert "2 images of the test set are also" in mnist
