"""datasets/image_files/kept_listings.py: archives are listed once, and a folder once for all workers."""

import errno
import hashlib
import io
import os
import tarfile
import threading

import numpy as np
import pytest

from datasets.image_files import kept_listings, tar_shards
from datasets.image_files.folder_or_zip import FolderSource, open_source
from datasets.image_files.kept_listings import FOLDER_NAME, LAUNCH, KeptListings
from datasets.image_files.listing import SourceFile


def write(path, members):
    with tarfile.open(path, "w:") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def replace(path, members):
    """Write other members, with a time that the clock of no file system takes for that of the first."""
    before = os.stat(path)
    write(path, members)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


@pytest.fixture
def shards(tmp_path):
    (tmp_path / "shards").mkdir()
    write(
        tmp_path / "shards" / "0.tar", {"cat/1.png": b"one", "cat/2.heic": b"x", "cat/caf\u00e9.png": b"four"}
    )
    write(tmp_path / "shards" / "1.tar", {"dog/1.png": b"three", "dog/1.json": b"{}"})
    return tmp_path / "shards"


@pytest.fixture
def read(monkeypatch):
    """Collects the names of the archives whose headers are read."""
    read, members = [], tar_shards._members
    monkeypatch.setattr(tar_shards, "_members", lambda path: read.append(path.name) or members(path))
    return read


def listed(shards):
    """Return all that a source lists, and the bytes of its images."""
    source = open_source(shards, KeptListings(shards.parent / "cache"))
    files = list(source.files())
    return files, list(source.undecoded()), list(source.others()), [source.read(file.name) for file in files]


def listings(folder):
    found = (folder.parent / "cache" / FOLDER_NAME).iterdir()
    return [path for path in found if path.suffix != ".lock"]


def test_an_archive_is_read_once_and_listed_in_the_same_way_again(shards, read):
    first = listed(shards)
    # A header of 512 bytes comes before each file, which fills blocks of 512; an accent takes two blocks more.
    assert first == (
        [
            SourceFile("cat/0/1.png", 3, 512, archive=0),
            SourceFile("cat/0/caf\u00e9.png", 4, 3584, archive=0),
            SourceFile("dog/1/1.png", 5, 512, archive=1),
        ],
        ["cat/0/2.heic"],
        ["dog/1/1.json"],
        [b"one", b"four", b"three"],
    )
    assert read == ["0.tar", "1.tar"]
    assert listed(shards) == first
    assert read == ["0.tar", "1.tar"]
    assert len(listings(shards)) == 1


@pytest.mark.fault(12)
def test_an_archive_of_equal_size_and_another_time_is_listed_anew(shards, read):
    listed(shards)
    size = os.stat(shards / "1.tar").st_size
    replace(shards / "1.tar", {"dog/2.png": b"three", "dog/1.json": b"{}"})
    assert os.stat(shards / "1.tar").st_size == size
    assert [file.name for file in listed(shards)[0]] == ["cat/0/1.png", "cat/0/caf\u00e9.png", "dog/1/2.png"]
    assert read == ["0.tar", "1.tar"] * 2
    assert len(listings(shards)) == 2


def test_a_listing_is_removed_a_week_after_a_newer_one(shards, read):
    first = listed(shards)
    (old,) = listings(shards)
    made = old.stat().st_mtime
    for age, is_kept in ((6, True), (8, False)):
        replace(shards / "1.tar", {f"dog/{age}.png": b"three"})
        os.utime(old, (0, made - age * 86_400))
        listed(shards)
        assert (len(listings(shards)), old.exists()) == (2, is_kept)
    assert first != listed(shards)


@pytest.mark.fault(12)
def test_an_archive_that_changes_while_it_is_listed_is_listed_anew(shards, monkeypatch):
    members = tar_shards._members

    def changing(path):
        found = list(members(path))
        replace(path, {"dog/2.png": b"three"})
        return found

    monkeypatch.setattr(tar_shards, "_members", changing)
    assert len(open_source(shards / "1.tar", KeptListings(shards.parent / "cache")).files()) == 1
    monkeypatch.undo()
    assert [file.name for file in listed(shards)[0]] == ["cat/0/1.png", "cat/0/caf\u00e9.png", "dog/1/2.png"]


@pytest.mark.fault(12)
def test_a_moved_archive_is_listed_anew(shards, read):
    listed(shards)
    (shards / "1.tar").rename(shards / "2.tar")
    assert listed(shards)[0][2].name == "dog/2/1.png"
    assert read == ["0.tar", "1.tar", "0.tar", "2.tar"]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.fault(12)
@pytest.mark.parametrize("damage", [flip, cut, empty, os.unlink])
def test_a_damaged_listing_is_made_again(shards, read, damage):
    first = listed(shards)
    for path in listings(shards):
        damage(path)
    assert listed(shards) == listed(shards) == first
    assert read == ["0.tar", "1.tar"] * 2


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    "columns", [[], [np.zeros((2, 2))], [np.array([{}], object)], ["key"], ["key", np.arange(9)]]
)
def test_a_listing_that_another_program_wrote_is_made_again(shards, read, columns):
    first = listed(shards)
    (path,) = listings(shards)
    key = next(kept_listings._mapped(path)).copy()
    with open(path, "wb") as file:
        for column in columns:
            np.save(file, key if isinstance(column, str) else column)
            file.write(bytes(-file.tell() % 64))
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())
    assert listed(shards) == first
    assert read == ["0.tar", "1.tar"] * 2


def test_without_space_for_a_listing_every_process_lists(shards, read, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_listings.np, "save", full)
    assert listed(shards) == listed(shards)
    assert read == ["0.tar", "1.tar"] * 2
    assert listings(shards) == []


def test_two_sources_of_one_launch_keep_their_own_listings(shards, read, monkeypatch):
    monkeypatch.setenv(LAUNCH, "one")
    first = listed(shards)
    assert listed(shards) == listed(shards) == first
    assert read == ["0.tar", "1.tar"]
    assert len(listings(shards)) == 2  # of the folder, which has no images, and of the archives in it


def test_a_cache_that_cannot_be_written_is_no_error(shards, read):
    (shards.parent / "cache").write_bytes(b"")
    assert listed(shards) == listed(shards)
    assert read == ["0.tar", "1.tar"] * 2


def test_without_a_cache_nothing_is_kept(shards, read):
    assert len(open_source(shards).files()) == len(open_source(shards).files()) == 3
    assert read == ["0.tar", "1.tar"] * 2


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/1.png", "cat/caf\u00e9.png", "dog/2.png", "dog/notes.txt"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "images" / "empty").mkdir()
    return tmp_path / "images"


@pytest.fixture
def walked(monkeypatch):
    """Collects the folders that are walked."""
    walked, walk = [], FolderSource._list
    monkeypatch.setattr(FolderSource, "_list", lambda self: walked.append(self.path.name) or walk(self))
    return walked


def names(folder):
    return list(open_source(folder, KeptListings(folder.parent / "cache")).files().names)


@pytest.mark.fault(12)
def test_a_folder_is_listed_anew_by_every_launch(folder, walked, monkeypatch):
    for number, launch in enumerate((None, None, "", "", "first", "second")):
        monkeypatch.delenv(LAUNCH, raising=False)
        if launch is not None:
            monkeypatch.setenv(LAUNCH, launch)
        (folder / "cat" / f"new{number}.png").write_bytes(b"x")
        assert f"cat/new{number}.png" in names(folder)
    assert walked == ["images"] * 6


def test_workers_launched_together_list_a_folder_once(folder, walked, monkeypatch):
    alone = open_source(folder)
    monkeypatch.setenv(LAUNCH, "one")
    found = []

    def work():
        source = open_source(folder, KeptListings(folder.parent / "cache"))
        found.append((list(source.files()), list(source.others()), source.empty_folders()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(list(alone.files()), ["dog/notes.txt"], ["empty"])] * 3
    assert walked == ["images"] * 2  # alone, and once by the three


def test_a_folder_of_one_process_leaves_nothing_in_the_cache(folder):
    names(folder)
    assert not (folder.parent / "cache").exists()
