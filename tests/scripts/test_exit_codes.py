"""Expected errors end a script with one line; others show a traceback."""

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.cache import store
from datasets.errors import DataError, StorageError
from datasets.folder import load_folder
from datasets.storage import atomic
from learning.errors import Interrupted
from learning.terminal.command import run_script


def ended(main, capsys):
    """Return the exit code of a script and its output on stderr."""
    with pytest.raises(SystemExit) as ended:
        run_script(main)
    return ended.value.code, capsys.readouterr().err


def raising(error):
    def call(*args, **options):
        raise error

    return call


@pytest.mark.fault(33)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_disk_that_is_full_or_refuses_is_one_line_with_the_file(tmp_path, monkeypatch, capsys, number):
    monkeypatch.setattr(atomic, "fsync_path", raising(OSError(number, "of the disk")))
    code, said = ended(lambda: atomic.write_text(tmp_path / "page.html", "text"), capsys)
    assert code == 6
    assert said.splitlines() == [said.strip()]
    advice = {
        errno.EROFS: "check its permissions",
        errno.EACCES: "check its permissions",
        errno.EMFILE: "close other",
    }
    expected = advice.get(number, "make room")
    assert f"cannot use {tmp_path / 'page.html'}: of the disk; {expected}" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone", "x"), OSError("odd"), KeyError(1)])
def test_other_errors_of_the_system_are_defects(capsys, error):
    code, said = ended(raising(error), capsys)
    assert code == 1
    assert "Traceback" in said


def test_only_a_worker_that_is_interrupted_says_nothing(capsys):
    assert ended(raising(Interrupted(15, "")), capsys) == (143, "")
    code, said = ended(raising(DataError("")), capsys)
    assert code == 3
    assert said.endswith(": DataError\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a folder of images of two classes, with a separate cache."""
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((8, 8, 3), i + 100 * (name == "b"), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


@pytest.mark.fault(33)
def test_too_many_open_files_are_not_blamed_on_an_image(folder, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", raising(OSError(errno.EMFILE, "Too many open files")))
    with pytest.raises(StorageError, match="cannot be read .Too many open files.; close other programs"):
        load_folder(folder, image_size=8, crop_size=8)


@pytest.mark.fault(33)
def test_a_full_cache_is_not_blamed_on_the_images(folder, monkeypatch):
    monkeypatch.setattr(store, "build_entry", raising(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(StorageError, match="No space left on device.*--data.cache_dir"):
        load_folder(folder, image_size=8, crop_size=8)
