import errno
import io
import logging
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from datasets.errors import DataError, StorageError
from datasets.image_files import folder_or_zip
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.listing import SourceFile
from datasets.image_files.source import Source
from datasets.images.decode import ImageError, read_image
from datasets.images.formats import IMAGE_SUFFIXES, SUFFIXES


def write(root, *names, content=b"x"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names_of(source):
    return [file.name for file in source.files()]


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


JUNK = [
    ".DS_Store",
    "._b.jpg",
    "Thumbs.db",
    "__MACOSX/a.jpg",
    ".ipynb_checkpoints/a.jpg",
    "cat/.x.png",
    "notes.txt",
]


@pytest.mark.fault(8)
def test_a_folder_lists_images_sorted_and_ignores_the_rest(tmp_path):
    write(tmp_path, "dog/b.PNG", "dog/a.jpg", "cat/z.jpeg", "a.webp", *JUNK)
    (tmp_path / "empty").mkdir()
    assert names_of(open_source(tmp_path)) == ["a.webp", "cat/z.jpeg", "dog/a.jpg", "dog/b.PNG"]


@pytest.mark.fault(8)
def test_an_archive_lists_and_reads_the_same_way(tmp_path):
    members = {name: name.encode() for name in ["dog/b.PNG", "dog/a.jpg", *JUNK, "empty/"]}
    source = open_source(zipped(tmp_path / "pets.zip", members))
    assert names_of(source) == ["dog/a.jpg", "dog/b.PNG"]
    assert source.read("dog/a.jpg") == b"dog/a.jpg"
    assert source.files()[0].size == 9


@pytest.mark.fault(16)
def test_reading_an_archive_writes_nothing_wherever_its_names_point(tmp_path):
    (tmp_path / "in").mkdir()
    members = {"../../up.jpg": b"u", "/cat/root.jpg": b"r", "C:\\dog\\1.jpg": b"c"}
    source = open_source(zipped(tmp_path / "in" / "e.zip", members))
    assert names_of(source) == ["/cat/root.jpg", "C:/dog/1.jpg" if os.sep == "\\" else "C:\\dog\\1.jpg"]
    assert [source.read(name) for name in names_of(source)] == [b"r", b"c"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["e.zip", "in"]


@pytest.mark.fault(11)
def test_a_loop_of_links_ends_and_other_links_are_followed(tmp_path):
    write(tmp_path / "images", "cat/a.jpg")
    write(tmp_path / "elsewhere", "b.jpg")
    (tmp_path / "images" / "cat" / "up").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "dog").symlink_to(tmp_path / "elsewhere")
    assert names_of(open_source(tmp_path / "images")) == ["cat/a.jpg", "dog/b.jpg"]


@pytest.mark.fault(11)
def test_files_that_cannot_be_read_are_listed_and_fail_when_read(tmp_path):
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "absent")
    (tmp_path / "itself.jpg").symlink_to(tmp_path / "itself.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    source = open_source(tmp_path)
    assert names_of(source) == ["dangling.jpg", "itself.jpg", "pipe.jpg"]
    for name in names_of(source):
        with pytest.raises(ImageError, match="cannot be read"):
            source.read(name)


@pytest.mark.fault(11)
def test_names_of_any_kind_are_read(tmp_path):
    odd = ["고양이.jpg", "two\nlines.jpg", os.fsdecode(b"\xff\xfe.jpg")]
    write(tmp_path, *odd)
    source = open_source(tmp_path)
    assert sorted(odd) == names_of(source)
    assert all(source.read(name) == b"x" for name in odd)


@pytest.mark.fault(12)
def test_the_stamp_changes_with_the_content_even_if_the_time_is_put_back(tmp_path):
    write(tmp_path, "a.jpg", content=b"one")
    before = os.stat(tmp_path / "a.jpg")
    stamp = open_source(tmp_path).files()[0]
    while (
        os.stat(tmp_path / "a.jpg").st_ctime_ns == before.st_ctime_ns
    ):  # the clock of the file system may be slow
        write(tmp_path, "a.jpg", content=b"two")
        os.utime(tmp_path / "a.jpg", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_source(tmp_path).files()[0] != stamp


@pytest.mark.fault(9)
@pytest.mark.fault(16)
def test_a_member_of_any_stated_size_is_listed_and_fails_when_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/1.png", b"x")
        archive.filelist[0].file_size = 2**64 - 1
    source = open_source(tmp_path / "a.zip")
    assert names_of(source) == ["a/1.png"]
    with pytest.raises(ImageError, match=f"{2**64 - 1} bytes are more than"):
        source.read("a/1.png")


def test_a_time_after_2262_is_a_stamp_of_its_own():
    class Late(Source):
        def _list(self):
            yield SourceFile("0.png", 1, 2**63 + 5)
            yield SourceFile("1.png", 1, 2**63 - 1)

    assert [file.stamp for file in Late(Path()).files()] == [5 - 2**63, 2**63 - 1]


def test_a_missing_path_lists_its_neighbours(tmp_path):
    write(tmp_path, "pets.zip")
    with pytest.raises(DataError, match=r"no folder or archive at '.*pest.zip' \(in '.*': 'pets.zip'\)"):
        open_source(tmp_path / "pest.zip")
    with pytest.raises(DataError, match="no such folder either"):
        open_source(tmp_path / "no" / "where")


@pytest.mark.fault(14)
def test_a_file_that_is_not_a_complete_archive_is_an_error(tmp_path):
    whole = zipped(tmp_path / "a.zip", {"a.jpg": b"x" * 1000}).read_bytes()
    for content in (b"", b"text", whole[:-30]):
        write(tmp_path, "b.zip", content=content)
        with pytest.raises(DataError, match=r"b.zip' is not a readable zip archive"):
            open_source(tmp_path / "b.zip")


@pytest.mark.fault(14)
def test_a_damaged_member_does_not_affect_the_others(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.jpg": b"first" * 20, "b.jpg": b"second"})
    data = bytearray(path.read_bytes())
    data[37] ^= 0xFF  # inside the first member's compressed bytes
    path.write_bytes(data)
    source = open_source(path)
    with pytest.raises(ImageError, match="cannot be read from the archive"):
        source.read("a.jpg")
    assert source.read("b.jpg") == b"second"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_with_another_compression_than_deflate_are_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.jpg", b"first" * 20)
    with pytest.raises(ImageError, match="another method than deflate; pack the archive anew"):
        open_source(tmp_path / "a.zip").read("a.jpg")


def test_undecoded_images_are_listed_separately(tmp_path):
    write(
        tmp_path / "a",
        "cat/b.HEIC",
        "cat/a.jpg",
        "x.jxl",
        "y.rwl",
        ".hidden.heic",
        "notes.txt",
        "cat/notes",
        "Icon\r",
    )
    members = {
        **dict.fromkeys(("cat/b.HEIC", "cat/a.jpg", "x.jxl", "y.rwl", "notes.txt", "cat/notes"), b"x"),
        **dict.fromkeys(("__MACOSX/c.heic", "cat/thumbs.DB", "cat/"), b""),
    }
    for source in (open_source(tmp_path / "a"), open_source(zipped(tmp_path / "a.zip", members))):
        assert names_of(source) == ["cat/a.jpg"]
        assert source.undecoded() == ["cat/b.HEIC", "x.jxl", "y.rwl"]
        assert source.others() == ["cat/notes", "notes.txt"]
        assert source.empty_folders() == []


def encoded(form):
    file = io.BytesIO()
    Image.new("RGB", (9, 7)).save(file, form)
    return file.getvalue()


@pytest.mark.fault(3, 47)
@pytest.mark.parametrize("packed", [False, True])
def test_without_a_known_suffix_the_content_decides(tmp_path, packed):
    forms = [form for form in SUFFIXES if form != "AVIF" or ".avif" in IMAGE_SUFFIXES]
    files = {name: encoded(form) for form in forms for name in (form, f"{form}.1", f"{form}.jpg~")}
    undecoded = {
        "heic": b"\0\0\0\x24ftypheic",
        "jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
        "j2k": b"\xff\x4f\xff\x51\0",
        "psd.1": b"8BPS\0\1",
    }
    others = {
        "empty": b"",
        "BM": b"BMX bicycles are sold here, and other kinds of bicycles",
        "data_batch_1": b"\x80\x02}",
        "P5": b"P5 is a page",
        "photo.txt": encoded("PNG"),  # not looked into
        "riff": b"RIFF\0\0\0\0WAVEfmt ",
    }
    source = folder = tmp_path / "images"
    for name, content in {**files, **undecoded, **others}.items():
        write(folder, name, content=content)
    (folder / "gone").symlink_to("absent")
    os.mkfifo(folder / "pipe")  # to open it would wait for ever
    if packed:
        source = zipped(tmp_path / "a.zip", {**files, **undecoded, **others})
    source = open_source(source)
    assert names_of(source) == sorted(files)
    assert source.undecoded() == sorted(undecoded)
    assert source.others() == sorted(others)
    assert read_image(source.read("PNG")).shape == (7, 9, 3)


def test_files_with_a_known_suffix_are_not_opened_for_a_listing(tmp_path, monkeypatch):
    write(tmp_path, "a.jpg", "a.json", "b.heic", "Thumbs.db", ".hidden")

    def refuse(start):
        raise AssertionError("opened")

    monkeypatch.setattr(folder_or_zip, "kind_by_start", refuse)
    assert names_of(open_source(tmp_path)) == ["a.jpg"]


@pytest.mark.parametrize("packed", [False, True])
def test_of_many_files_with_one_unknown_suffix_the_first_tell_the_kind(tmp_path, monkeypatch, packed):
    content = {f"{folder}/{i:03}.xyz": b"x" for folder in ("a", "b") for i in range(70)}
    content["b/000.xyz"] = encoded("PNG")  # these are not of one kind, and each is looked at
    path = tmp_path / "images"
    for name, data in content.items():
        write(path, name, content=data)
    if packed:
        path = zipped(tmp_path / "a.zip", content)
    starts = []
    real = folder_or_zip.kind_by_start
    monkeypatch.setattr(folder_or_zip, "kind_by_start", lambda start: starts.append(start) or real(start))
    source = open_source(path)
    assert names_of(source) == ["b/000.xyz"]
    assert len(source.others()) == 139
    assert len(starts) == 50 + 70


@pytest.mark.fault(11)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_file_without_a_suffix_that_cannot_be_opened_is_listed_and_fails_when_read(
    tmp_path, monkeypatch, code
):
    write(tmp_path, "cat/1")

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(folder_or_zip, "open", fail, raising=False)
    monkeypatch.setattr(Path, "read_bytes", fail)
    source = open_source(tmp_path)
    assert names_of(source) == ["cat/1"]
    with pytest.raises(ImageError, match=rf"cannot be read \({os.strerror(code)}\)"):
        source.read("cat/1")


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_while_listing_are_not_blamed_on_a_file(tmp_path, monkeypatch, code):
    write(tmp_path, "cat/1")

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(folder_or_zip, "open", fail, raising=False)
    with pytest.raises(StorageError, match="'.*1' cannot be read .*; close other programs"):
        open_source(tmp_path)


def test_the_topmost_of_empty_folders_are_listed(tmp_path):
    (tmp_path / "a" / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "c" / "none").mkdir(parents=True)
    write(tmp_path, "b/0.png", "c/notes.txt", "a/.hidden")
    assert open_source(tmp_path).empty_folders() == ["a", "c/none"]
    archive = zipped(tmp_path / "a.zip", {"./b/0.png": b"", "./b/": b"", "a/": b"", "a/deep/": b""})
    assert open_source(archive).empty_folders() == ["a"]


def test_a_folder_with_archives_but_no_images_stands_for_its_train_zip(tmp_path, caplog):
    zipped(tmp_path / "Train.zip", {"train/cat.0.jpg": b"c"})
    write(tmp_path, "test1.zip", "sampleSubmission.csv")
    with caplog.at_level(logging.INFO):
        source = open_source(tmp_path)
    assert names_of(source) == ["train/cat.0.jpg"]
    assert f"no images in '{tmp_path}', so its Train.zip is read" in caplog.text
    write(tmp_path, "one.jpg")
    assert names_of(open_source(tmp_path)) == ["one.jpg"]


def test_a_folder_with_only_other_archives_names_them(tmp_path):
    write(tmp_path, "pets.zip", "test1.zip", "._train.zip")
    with pytest.raises(
        DataError, match=r"but archives \('pets.zip', 'test1.zip'\); give the path of the one"
    ):
        open_source(tmp_path)
