import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.cifar10 import CLASS_NAMES, holds_cifar10, load_cifar10
from datasets.errors import DataError, OptionError
from datasets.images.resizing import resize_image
from datasets.options.loading import Crops
from tests.support.made_sets import (
    BATCHES,
    change_entry,
    cifar_parts,
    pack,
    python2_pickle,
    write_binary_batches,
    write_python_batches,
)


@pytest.fixture(scope="module")
def parts():
    return cifar_parts()


@pytest.fixture(scope="module")
def forms(parts, tmp_path_factory):
    """The same images in every known form."""
    root = tmp_path_factory.mktemp("cifar")
    python = write_python_batches(root / "a" / "cifar-10-batches-py", parts)
    binary = write_binary_batches(root / "b" / "cifar-10-batches-bin", parts)
    (root / "c").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        change_entry(patch, "cifar10", verified=())  # the archive is as small as the others
        yield _forms(root, python, binary)


def _forms(root, python, binary):
    return {
        "python folder": python,
        "its parent": python.parent,
        "python archive": pack(python, root / "c" / "cifar-10-python.tar.gz"),
        "folder of the archive": root / "c",
        "plain archive": pack(python, root / "python.tar", "w"),
        "binary folder": binary,
        "its parent, binary": binary.parent,
        "binary archive": pack(binary, root / "binary.tar.gz"),
    }


@pytest.fixture
def folder(parts, tmp_path):
    return write_python_batches(tmp_path / "cifar-10-batches-py", parts)


def expected_images(parts, names):
    """(N, 32, 32, 3), put together one channel at a time."""
    pixels = np.concatenate([parts[name][0] for name in names])
    return np.stack([pixels[:, 1024 * c : 1024 * (c + 1)].reshape(-1, 32, 32) for c in range(3)], axis=-1)


def test_every_form_gives_the_same_splits(forms, parts):
    fingerprints = set()
    for name, path in forms.items():
        assert holds_cifar10(path), name
        splits = load_cifar10(path)
        sizes = [part.num_examples for part in (splits.train, splits.val, splits.test)]
        assert sizes == [90, 10, 20], name
        np.testing.assert_array_equal(np.asarray(splits.test.images), expected_images(parts, ["test_batch"]))
        assert splits.test.labels.argmax(axis=1).tolist() == parts["test_batch"][1]
        fingerprints.add(splits.fingerprint)
    assert len(fingerprints) == 1


def test_pixels_are_channel_after_channel_and_row_after_row(folder, parts):
    pixels = np.zeros((20, 3072), np.uint8)
    pixels[0, [1, 1024 + 32, 2048 + 1023]] = 10, 20, 30
    batch = {"data": pixels, "labels": parts["test_batch"][1]}
    (folder / "test_batch").write_bytes(python2_pickle(batch))
    image = load_cifar10(folder).test.images[0]
    assert image[0, 1].tolist() == [10, 0, 0]  # the second pixel of the first row
    assert image[1, 0].tolist() == [0, 20, 0]  # the first of the second
    assert image[31, 31].tolist() == [0, 0, 30]
    assert image.sum() == 60


def test_training_images_keep_the_order_of_the_batches(folder, parts):
    train = load_cifar10(folder, val_fraction=0.0).train
    np.testing.assert_array_equal(np.asarray(train.images), expected_images(parts, BATCHES[:5]))
    assert train.labels.argmax(axis=1).tolist() == [k for name in BATCHES[:5] for k in parts[name][1]]
    assert train.class_names == CLASS_NAMES
    assert train.file_names[:2] == ("train00000", "train00001")
    assert train.crops == Crops(crop_size=32, padding=4)


def test_validation_images_come_from_training_with_every_class_alike(folder):
    splits = load_cifar10(folder, val_fraction=0.2, seed=3)
    assert splits.val.labels.sum(axis=0).tolist() == [2] * 10
    assert splits.train.labels.sum(axis=0).tolist() == [8] * 10
    assert not set(splits.val.file_names) & set(splits.train.file_names)
    assert splits.fingerprint != load_cifar10(folder, val_fraction=0.2, seed=4).fingerprint
    assert load_cifar10(folder, val_fraction=0.0).val is None


def test_a_sample_of_each_part_is_drawn_by_the_seed(folder, parts):
    splits = load_cifar10(folder, sample_size=12, val_fraction=0.0, seed=1)
    assert (splits.train.num_examples, splits.test.num_examples) == (12, 12)
    everything = expected_images(parts, BATCHES[:5])
    rows = [int(name.removeprefix("train")) for name in splits.train.file_names]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(np.asarray(splits.train.images), everything[rows])
    other = load_cifar10(folder, sample_size=12, val_fraction=0.0, seed=2)
    assert other.train.file_names != splits.train.file_names
    assert load_cifar10(folder, sample_size=1000).test.num_examples == 20
    with pytest.raises(OptionError, match="sample_size is 0"):
        load_cifar10(folder, sample_size=0)


def test_images_are_resized_and_options_reach_the_sets(folder, parts):
    splits = load_cifar10(
        folder, image_size=20, crop_size=16, padding=2, reflect=False, pca_color=0.1, redraw=False, seed=5
    )
    original = expected_images(parts, ["test_batch"])
    assert splits.test.images.shape == (20, 20, 20, 3)
    np.testing.assert_array_equal(splits.test.images[7], resize_image(original[7], 20, 20))
    for part in (splits.train, splits.val, splits.test):
        assert part.crops == Crops(crop_size=16, padding=2, reflect=False, pca_color=0.1, redraw=False)
        assert part.seed == 5
    assert splits.train.next_batch(3)[0].shape == (3, 16, 16, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 1}, "channels is 1, but these images are in colour; give 3"),
        ({"crop_size": 41}, "crop_size is 41; it must be at most image_size, 32"),
        ({"padding": -1}, "padding is -1"),
        ({"pca_color": -0.1}, "pca_color is -0.1"),
        ({"pca_color": float("nan")}, "pca_color is nan"),
        ({"val_fraction": 1.0}, "val_fraction is 1.0; it must be a fraction"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_options_are_named(folder, options, message):
    with pytest.raises(OptionError, match=message) as error:
        load_cifar10(folder, **options)
    assert error.value.exit_code == 2


def refused(path, message):
    with pytest.raises(DataError, match=message) as error:
        load_cifar10(path)
    assert error.value.exit_code == 3
    assert str(error.value).isprintable()


@pytest.mark.fault(18)
def test_a_missing_batch_is_named(folder, tmp_path):
    (folder / "data_batch_2").unlink()
    (folder / "test_batch").unlink()
    refused(folder, "cifar-10-batches-py' lacks data_batch_2, test_batch; unpack the archive again")
    refused(pack(folder, tmp_path / "x.tar.gz"), "x.tar.gz' lacks data_batch_2, test_batch")


def test_a_path_with_nothing_or_something_else(tmp_path, folder):
    refused(tmp_path / "nowhere", "there is no '.*nowhere'; give the CIFAR-10 archive or folder")
    (tmp_path / "images" / "cat").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "cat" / "0.png")
    refused(
        tmp_path / "images", "no CIFAR-10 batches in '.*images'; .* one folder per class --data.name folder"
    )
    assert not holds_cifar10(tmp_path / "images")
    (tmp_path / "images.zip").write_bytes(b"PK")
    refused(tmp_path / "images.zip", "no CIFAR-10 batches")
    refused(folder / "test_batch", "cannot be read as a tar archive")
    images = pack(tmp_path / "images", tmp_path / "images.tar.gz")
    refused(images, "no CIFAR-10 batches in '.*images.tar.gz'")
    assert not holds_cifar10(images)
    assert not holds_cifar10(tmp_path / "images/cat/0.png")


def batch_with(**changes):
    whole = {"labels": [i % 10 for i in range(20)], "data": np.zeros((20, 3072), np.uint8)}
    return python2_pickle({k: v for k, v in (whole | changes).items() if v is not None})


@pytest.mark.fault(17, 18)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (batch_with(labels=[*range(10)] * 2), None),
        (batch_with(labels=[11] + [0] * 19), r"test_batch' has a label beyond 0\.\.9"),
        (batch_with(labels=[-1] + [0] * 19), r"test_batch' has a label beyond 0\.\.9"),
        (batch_with(labels=[0] * 19), "does not hold one label for each of its 20 images"),
        (batch_with(labels=["a"] * 20), "does not hold one label for each"),
        (batch_with(labels=None), "does not hold one label for each"),
        (batch_with(data=np.zeros((20, 3071), np.uint8)), "holds no array of N x 3072 bytes"),
        (batch_with(data=np.zeros((0, 3072), np.uint8), labels=[]), "holds no array of N x 3072 bytes"),
        (batch_with(data=np.zeros((20, 3072), np.int8)), "dtype b'i1'; only bytes"),
        (batch_with(data=[1, 2]), "holds no array of N x 3072 bytes"),
        (python2_pickle([1, 2]), "holds no array of N x 3072 bytes"),
        (batch_with()[:-1000], "not a pickle that can be read"),
        (b"", "not a pickle that can be read"),
        (b"<html>not found</html>", "is not a pickle"),
        (b"cos\nsystem\n(U\x04echotR.", r"asks for os.system, .* nothing of it ran"),
    ],
)
def test_an_invalid_batch(folder, content, message):
    (folder / "test_batch").write_bytes(content)
    if message is None:
        assert load_cifar10(folder).test.num_examples == 20
    else:
        refused(folder, message)


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(3072), r"test_batch.bin' has 3072 bytes, not a multiple of 3073; it is damaged"),
        (b"", "has 0 bytes"),
        (bytes([11]) + bytes(3072), r"has a label beyond 0\.\.9"),
    ],
)
def test_an_invalid_binary_batch(parts, tmp_path, content, message):
    folder = write_binary_batches(tmp_path, parts)
    (folder / "test_batch.bin").write_bytes(content)
    refused(folder, message)


@pytest.mark.fault(18)
def test_a_batch_of_a_huge_size_is_not_read(folder, tmp_path):
    with open(folder / "test_batch", "wb") as file:
        file.truncate(2**40)  # no block of it is on the disk
    tracemalloc.start()
    refused(folder, f"test_batch' has {2**40} bytes; a CIFAR-10 batch has about 31 million")
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_batch_without_read_permission(folder):
    (folder / "test_batch").chmod(0)
    refused(folder, "test_batch' cannot be read .*; check its permissions")


@pytest.mark.fault(14)
@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_truncated_archive_is_refused(folder, tmp_path, mode):
    whole = pack(folder, tmp_path / "whole.tar", mode).read_bytes()
    for size in (0, 1, 100, 600, len(whole) // 2, len(whole) - 20_000):
        (tmp_path / "cut.tar").write_bytes(whole[:size])
        refused(
            tmp_path / "cut.tar", "cut.tar' (cannot be read as a tar archive .*; download it again|lacks )"
        )


@pytest.mark.fault(14)
def test_an_archive_with_flipped_bytes_is_read_or_refused(folder, tmp_path):
    whole = pack(folder, tmp_path / "whole.tar.gz").read_bytes()
    rng = np.random.default_rng(0)
    for position in (*range(0, 12), *rng.integers(0, len(whole), 20)):
        flipped = bytearray(whole)
        flipped[position] ^= 0xFF
        (tmp_path / "flipped.tar.gz").write_bytes(flipped)
        try:
            load_cifar10(tmp_path / "flipped.tar.gz")
        except DataError as error:
            assert str(error).isprintable()


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, io.BytesIO(content)


def hostile_archive(folder, path, *members):
    """Return an archive with other members before the valid batches."""
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, content)
        for file in folder.iterdir():
            archive.add(file, f"cifar-10-batches-py/{file.name}")
    return path


@pytest.mark.fault(16)
def test_members_that_lead_elsewhere_are_never_written(folder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    archive = hostile_archive(
        folder,
        tmp_path / "x.tar.gz",
        member("../../evil", b"x"),
        member(f"{tmp_path}/absolute", b"x"),
        member("data_batch_1", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("cifar-10-batches-py/test_batch", type=tarfile.LNKTYPE, linkname="../../evil"),
        member("data_batch_3", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("data_batch_4", type=tarfile.FIFOTYPE),
        member("data_batch_5", type=tarfile.DIRTYPE),
    )
    assert load_cifar10(archive).test.num_examples == 20
    assert sorted(tmp_path.rglob("*")) == sorted([*before, archive])


@pytest.mark.fault(16)
def test_an_archive_of_links_lacks_its_batches(tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for name in BATCHES:
            archive.addfile(member(name, type=tarfile.SYMTYPE, linkname="/etc/passwd")[0])
    refused(tmp_path / "x.tar.gz", "no CIFAR-10 batches")


@pytest.mark.fault(16)
def test_a_batch_from_outside_by_a_name_with_dots_is_read_as_a_batch_and_not_written(folder, tmp_path):
    content = (folder / "test_batch").read_bytes()
    (folder / "test_batch").unlink()
    archive = hostile_archive(folder, tmp_path / "x.tar.gz", member("../test_batch", content))
    assert load_cifar10(archive).test.num_examples == 20
    assert not (tmp_path.parent / "test_batch").exists()


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ({"name": "data_batch_1", "size": 2**40}, str(2**40)),
        ({"name": "other", "size": 2**33}, str(2**33)),
        ({"name": "x", "size": 2**30, "type": tarfile.GNUTYPE_LONGNAME}, str(2**30)),
        ({"name": "x", "size": 2**30, "type": tarfile.XHDTYPE}, str(2**30)),
    ],
)
def test_a_huge_member_is_refused_before_it_is_read(tmp_path, attributes, shown):
    header = tarfile.TarInfo(attributes.pop("name"))
    for key, value in attributes.items():
        setattr(header, key, value)
    content = header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    (tmp_path / "x.tar").write_bytes(content)
    tracemalloc.start()
    refused(tmp_path / "x.tar", f"has {shown} bytes; a CIFAR-10 batch has about 31 million")
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


@pytest.mark.fault(16)
def test_an_archive_of_very_many_members_is_not_walked_to_its_end(tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for number in range(200):
            archive.addfile(tarfile.TarInfo(f"{number}"))
        archive.addfile(*member("test_batch", batch_with()))
    refused(tmp_path / "x.tar.gz", "no CIFAR-10 batches")


DATA = os.environ.get("SESSIONNET_TEST_DATA")


@pytest.mark.skipif(
    DATA is None or not holds_cifar10(Path(DATA)),
    reason="set SESSIONNET_TEST_DATA to a folder that holds cifar-10-batches-py",
)
def test_the_real_set():
    splits = load_cifar10(Path(DATA))
    assert splits.train.num_examples == 45_000
    assert splits.train.labels.sum(axis=0).tolist() == [4500] * 10
    assert splits.val.labels.sum(axis=0).tolist() == [500] * 10
    assert splits.test.labels.sum(axis=0).tolist() == [1000] * 10
    assert splits.test.images.shape == (10_000, 32, 32, 3)
    # what everybody subtracts from CIFAR-10
    np.testing.assert_allclose(splits.train.image_mean, [0.4914, 0.4822, 0.4465], atol=0.003)
