import pytest

from datasets.storage.atomic import replacing_folder


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "made"
    (tmp_path / ".making-made").mkdir()  # as a killed process left it
    (tmp_path / ".making-made" / "old").touch()
    with replacing_folder(target, ".making-made") as temporary:
        assert not list(temporary.iterdir())
        (temporary / "file").write_text("text")
        (temporary / "below").mkdir()
        assert not target.exists()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["below", "file", "made"]


def test_an_old_folder_stays_until_the_new_one_is_complete(tmp_path):
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(LookupError), replacing_folder(target, ".making", over=True) as temporary:
        (temporary / "new").touch()
        raise LookupError
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "old"]
    with replacing_folder(target, ".making", over=True) as temporary:
        (temporary / "new").touch()
        assert (target / "old").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "new"]


def test_without_over_an_old_folder_is_an_error(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").touch()
    with pytest.raises(OSError), replacing_folder(tmp_path / "made", ".making") as temporary:
        (temporary / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "old"]


def test_after_an_error_nothing_is_left(tmp_path):
    with pytest.raises(LookupError), replacing_folder(tmp_path / "made", ".making-made") as temporary:
        (temporary / "file").write_text("text")
        raise LookupError
    assert not list(tmp_path.iterdir())
