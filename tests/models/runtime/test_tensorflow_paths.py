"""Checkpoints can be written and read under paths that TensorFlow would misread, and no files are left."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.checkpoints.saved_variables import find_unreadable, restore, save
from learning.errors import CheckpointError, StorageError
from models.runtime.tensorflow_paths import PathError, is_plain, plain_folder
from tests.support.planted import FOLDER_NAMES


@pytest.fixture
def opened():
    """A session with one variable, 1 2 3, and its saver."""
    with tf.Graph().as_default():
        variable = v1.get_variable("w", initializer=[1.0, 2.0, 3.0], use_resource=True)
        saver = v1.train.Saver([variable])
        with v1.Session() as sess:
            sess.run(variable.initializer)
            yield sess, variable, saver


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Use a separate folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def without_links(*args, **options):
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.fault(43)
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_a_checkpoint_is_read_where_it_was_written(opened, temporary, tmp_path, monkeypatch, name, links):
    sess, variable, saver = opened
    if not links:
        monkeypatch.setattr(Path, "symlink_to", without_links)
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / name / "absolute", Path(name) / "relative"):
        folder.mkdir(parents=True)
        save(sess, saver, folder)
        assert {path.name for path in folder.iterdir()} == {
            "model.ckpt.index",
            "model.ckpt.data-00000-of-00001",
        }
        sess.run(v1.assign(variable, [0.0, 0.0, 0.0]))
        restore(sess, [variable], folder)
        assert sess.run(variable).tolist() == [1.0, 2.0, 3.0]
        assert find_unreadable(folder) is None
        assert list(temporary.iterdir()) == []


@pytest.mark.fault(43)
def test_which_paths_are_plain(monkeypatch):
    for path in ("runs/x", "/tmp/a b'#%{}$~@!&;\n", "Übung/日本", "x" * 200):
        assert is_plain(path), path
    for path in ("[x]", "a]", "a*", "a?", "a\\b", os.fsdecode(b"\xff")):
        assert not is_plain(Path("runs") / path), path
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("latin-1", "replace"))  # of another locale
    assert is_plain("runs/x") and not is_plain("Übung")


@pytest.mark.fault(43)
def test_nothing_is_left_when_something_fails_within(temporary, tmp_path):
    folder = tmp_path / "[x]"
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(KeyError), plain_folder(folder) as plain:
        assert is_plain(plain) and (Path(plain) / "kept").exists()
        raise KeyError
    assert list(temporary.iterdir()) == []
    assert (folder / "kept").exists()


@pytest.mark.fault(43)
def test_a_damaged_checkpoint_is_named_as_the_user_knows_it(opened, temporary, tmp_path):
    sess, variable, _ = opened
    with pytest.raises(CheckpointError, match="move its folder away") as raised:
        restore(sess, [variable], tmp_path / "[x]")
    assert str(tmp_path / "[x]" / "model.ckpt") in str(raised.value)
    assert str(temporary) not in str(raised.value)


@pytest.mark.fault(43)
def test_a_hostile_folder_for_temporary_files_is_passed_over_or_named(tmp_path, monkeypatch):
    (tmp_path / "[t]").mkdir()
    (tmp_path / "[x]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "[t]"))
    with plain_folder(tmp_path / "[x]") as plain:
        assert is_plain(plain)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with (
        pytest.raises(PathError, match="set TMPDIR to a folder with a plain name"),
        plain_folder(tmp_path / "[x]"),
    ):
        pass


@pytest.mark.fault(43)
def test_a_path_that_cannot_be_used_is_a_failure_of_the_storage(opened, tmp_path, monkeypatch):
    sess, variable, saver = opened
    (tmp_path / "[x]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    for use in (
        lambda: save(sess, saver, tmp_path / "[x]"),
        lambda: restore(sess, [variable], tmp_path / "[x]"),
        lambda: find_unreadable(tmp_path / "[x]"),
    ):
        with pytest.raises(StorageError, match="set TMPDIR to a folder with a plain name"):
            use()
