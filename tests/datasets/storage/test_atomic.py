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


def test_after_an_error_nothing_is_left(tmp_path):
    with pytest.raises(LookupError), replacing_folder(tmp_path / "made", ".making-made") as temporary:
        (temporary / "file").write_text("text")
        raise LookupError
    assert not list(tmp_path.iterdir())
