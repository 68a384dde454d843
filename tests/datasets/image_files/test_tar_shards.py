"""datasets/image_files/tar_shards.py: images in tar archives are those of a folder."""

import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DataError
from datasets.folder import load_folder
from datasets.image_files.folder_or_zip import open_source

SIZES = {"image_size": 12, "crop_size": 10}


def picture(seed):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write(path, members):
    """Write a tar archive of names and contents; a TarInfo in place of a name is taken as it is."""
    with tarfile.open(path, "w:") as archive:
        for name, content in members.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def names(path):
    return [file.name for file in open_source(path).files()]


@pytest.fixture
def pictures():
    return {
        f"{name}/{number}.png": picture(40 * k + number)
        for k, name in enumerate(("cat", "dog"))
        for number in range(12)
    }


@pytest.mark.parametrize("store", ["cache", "files"])
def test_shards_hold_the_pixels_of_a_folder(store, pictures, tmp_path):
    for name, content in pictures.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(content)
    (tmp_path / "shards").mkdir()
    items = list(pictures.items())
    for number in range(3):
        write(tmp_path / "shards" / f"{number:06}.tar", dict(items[number::3]))
    options = {**SIZES, "cache_dir": tmp_path / "cache", "val_fraction": 0, "test_fraction": 0}
    folder, shards = (
        load_folder(tmp_path / name, store=store, **options).train for name in ("photos", "shards")
    )
    assert shards.class_names == folder.class_names == ("cat", "dog")
    order = sorted(range(24), key=lambda i: (folder.labels[i].argmax(), folder.file_names[i].split("/")[-1]))
    again = sorted(range(24), key=lambda i: (shards.labels[i].argmax(), shards.file_names[i].split("/")[-1]))
    np.testing.assert_array_equal(folder.batch(order)[0], shards.batch(again)[0])


def test_webdataset(tmp_path):
    """Samples of members with one key: the class is a text beside the image, the part a word of the archive."""
    for part in ("train", "val"):
        members = {}
        for number in range(4):
            members |= {f"x.y/{number}.jpg": picture(number), f"x.y/{number}.cls": f"{number % 2}\n".encode()}
            members[f"x.y/{number}.json"] = b"{}"
        write(tmp_path / f"{part}-000000.tar", members)
    assert names(tmp_path)[:3] == [
        "train/0/train-000000/x.y/0.jpg", "train/0/train-000000/x.y/2.jpg", "train/1/train-000000/x.y/1.jpg"
    ]  # fmt: skip
    splits = load_folder(tmp_path, **SIZES, cache_dir=tmp_path / "cache", test_fraction=0)
    assert (splits.class_names, splits.train.num_examples, splits.val.num_examples) == (("0", "1"), 4, 4)


def test_equal_names_in_two_archives_are_two_images(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.tar", {"cat/0.png": picture(number)})
    source = open_source(tmp_path)
    assert names(tmp_path) == ["cat/0/0.png", "cat/1/0.png"]
    assert [source.read(name) for name in names(tmp_path)] == [picture(0), picture(1)]


def test_equal_keys_in_two_folders_of_an_archive_are_two_images(tmp_path):
    members = {}
    for number, folder in enumerate(("x", "y")):
        members |= {f"{folder}/1.png": picture(number), f"{folder}/1.cls": b"cat"}
    write(tmp_path / "a.tar", members)
    source = open_source(tmp_path)
    assert names(tmp_path) == ["cat/a/x/1.png", "cat/a/y/1.png"]
    assert [source.read(name) for name in names(tmp_path)] == [picture(0), picture(1)]


def test_two_images_of_one_name_are_refused(tmp_path):
    write(tmp_path / "a.tar", {"x.png": picture(0), "x.cls": b"cat", "cat/x.png": picture(1)})
    with pytest.raises(DataError, match=r"holds two images named 'cat/a/x.png'; rename one of the two"):
        open_source(tmp_path / "a.tar").files()


@pytest.mark.fault(8)
def test_what_a_file_manager_leaves_is_no_archive(pictures, tmp_path):
    write(tmp_path / "pets.tar", pictures)
    (tmp_path / "._pets.tar").write_bytes(b"Mac OS X")
    assert len(names(tmp_path)) == len(pictures)


def test_one_archive_alone(pictures, tmp_path):
    write(tmp_path / "pets.tar", pictures)
    assert names(tmp_path / "pets.tar")[0] == "cat/pets/0.png"


@pytest.mark.parametrize(
    ("archive", "folder", "first"),
    [
        ("train-000", "photos/", "train/cat/train-000/0.png"),
        ("pets", "photos/", "cat/pets/0.png"),
        ("test", "train/", "train/cat/test/0.png"),
    ],
)
def test_a_folder_around_all_classes_is_skipped_unless_it_is_a_part(
    archive, folder, first, tmp_path, pictures
):
    write(tmp_path / f"{archive}.tar", {folder + name: content for name, content in pictures.items()})
    assert names(tmp_path)[0] == first


@pytest.mark.fault(16)
class TestHostile:
    @pytest.mark.parametrize("name", ["../out.png", "/out.png", "cat/../../out.png"])
    def test_a_name_that_leads_out_of_the_folder(self, name, tmp_path):
        write(tmp_path / "a.tar", {name: picture(0)})
        with pytest.raises(DataError, match=r"a member '.*out.png', which leads out of its folder; pack"):
            names(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar"]

    def test_links_and_devices_are_no_images(self, tmp_path):
        members = {"cat/0.png": picture(0)}
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"cat/{kind.decode()}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            members[member] = b""
        write(tmp_path / "a.tar", members)
        assert names(tmp_path) == ["cat/a/0.png"]

    @pytest.mark.parametrize("size", [-512, 2**63])
    def test_a_size_that_leads_backwards_or_too_far(self, size, tmp_path):
        """With -512 the next header is the same one again."""
        member = tarfile.TarInfo("cat/0.png")
        member.size = size
        (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(DataError, match=r"a\.tar' cannot be read as a tar archive"):
            names(tmp_path)

    @pytest.mark.parametrize("text", [b"", b"../..", b"a/b", b"."])
    def test_a_class_that_is_no_name(self, text, tmp_path):
        write(tmp_path / "a.tar", {"0.png": picture(0), "0.cls": text})
        with pytest.raises(
            DataError, match=r"a\.tar' has a class .*a \.cls member holds the name or the number"
        ):
            names(tmp_path)


@pytest.mark.fault(14)
@pytest.mark.parametrize("damage", ["cut", "compressed", "text"])
def test_an_archive_that_is_not_whole(damage, pictures, tmp_path):
    write(tmp_path / "a.tar", pictures)
    content = (tmp_path / "a.tar").read_bytes()
    if damage == "compressed":
        with tarfile.open(tmp_path / "a.tar", "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("cat/0.png"))
    else:
        (tmp_path / "a.tar").write_bytes(content[:3000] if damage == "cut" else b"<html>" * 400)
    with pytest.raises(DataError, match=r"a\.tar' cannot be read as a tar archive .* not compressed"):
        names(tmp_path)


def test_an_archive_that_changes_is_read_anew(pictures, tmp_path):
    write(tmp_path / "a.tar", pictures)
    before, status = open_source(tmp_path).identity, os.stat(tmp_path / "a.tar")
    write(tmp_path / "a.tar", dict(reversed(pictures.items())))
    os.utime(
        tmp_path / "a.tar", ns=(status.st_atime_ns, status.st_mtime_ns + 10**9)
    )  # a slow clock would not
    assert open_source(tmp_path).identity != before


@pytest.mark.fault(12)
def test_compressed_archives_are_refused_with_advice(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0.tar.gz").touch()
    for path in (tmp_path / "shards", tmp_path / "shards" / "0.tar.gz"):
        with pytest.raises(
            DataError, match="0.tar.gz' is compressed, .* decompress it, and give the .tar file"
        ):
            open_source(path)
