"""What is common to all formats: how a file is found and named in messages, and the limits."""

import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.weights import files
from models.weights.errors import WeightsError
from models.weights.files import Weights, read_weights
from models.weights.readers import limits
from models.weights.readers.limits import Budget, bfloat16_values, checked_shape, shown

ONE = {"w": np.ones((2, 3), np.float32)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.pth"  # the content decides, not the name
    save_file(ONE, path)
    return path


def test_weights_say_what_they_are(file):
    found = read_weights(file)
    assert isinstance(found, Weights)
    assert (found.kind, found.where) == ("safetensors", str(file))
    assert found.tensors["w"].tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file, folder or prefix of a checkpoint; check the path"),
        (b"", "by its content; give one of these"),
        (b"<html>not found</html>" * 100, "by its content; give one of these"),
        (b"PK\x05\x06" + bytes(18), "it has no tensors of floating-point numbers"),
        (
            b"PK\x03\x04 and nothing",
            "it is damaged or of another format (BadZipFile: File is not a zip file)",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        read_weights(path)
    assert str(error.value).startswith(f"cannot read weights from '{path}': ")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(WeightsError, match="not a regular file"):
        read_weights(tmp_path / "x")


def test_a_name_with_a_line_break_is_shown_on_one_line(tmp_path):
    with pytest.raises(WeightsError) as error:
        read_weights(tmp_path / "a\nb\x1b")
    assert "a\\nb\\x1b'" in str(error.value)


@pytest.mark.fault(52)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_with_the_first_tensors_name(tmp_path, bad):
    np.savez(tmp_path / "x.npz", a=np.ones(3), b=np.array([1, bad]), c=np.array([bad]))
    with pytest.raises(WeightsError, match=r"x\.npz': b has NaN, Inf or numbers too large for float32"):
        read_weights(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", a=np.array([1e300]))
    with pytest.raises(WeightsError, match="a has NaN"):
        read_weights(tmp_path / "x.npz")


@pytest.mark.fault(52)
def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with (tmp_path / "x").open("wb") as huge:
        huge.truncate(limits.MAX_FILE_BYTES + 1)
    with pytest.raises(WeightsError, match="larger than 4294967296 bytes"):
        read_weights(tmp_path / "x")


@pytest.mark.fault(52)
def test_too_many_tensors_and_names_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", **{f"t{index}": np.ones(1) for index in range(6)})
    monkeypatch.setattr(files, "MAX_TENSORS", 5)
    with pytest.raises(WeightsError, match="more than 5 tensors"):
        read_weights(tmp_path / "x.npz")
    save_file({"n" * 1001: np.ones(1, np.float32)}, tmp_path / "y")
    with pytest.raises(WeightsError, match="empty, too long or not the only one"):
        read_weights(tmp_path / "y")


def test_a_budget_allows_what_a_small_file_may_unpack_to_and_no_more():
    budget = Budget(100)
    budget.take(limits.FREE_BYTES, "w")
    with pytest.raises(WeightsError, match=r"w\\n claims to take 1 bytes"):
        budget.take(1, "w\n")
    Budget(10**9).take(limits.MAX_EXPANSION * 10**9, "w")


def test_shapes_that_no_array_has_are_refused():
    assert checked_shape([2, np.int64(3)], "w") == (2, 3)
    assert checked_shape([], "w") == ()
    for bad in ([-1], [1.0], ["2"], [2**40], [2**20] * 3, [1] * 9, [None]):
        with pytest.raises(WeightsError, match="w has the impossible shape"):
            checked_shape(bad, "w")


def test_what_messages_quote_is_short_and_printable():
    assert shown("a\nb\x1b") == "a\\nb\\x1b"
    assert len(shown("x" * 10**6)) == 100
    assert shown(b"a\n" + bytes(10**6)).startswith("a\\n\\x00")
    assert (shown(7), shown(np.int64(8)), shown(None), shown([1]), shown((1,))) == (
        "7", "8", "NoneType", "list", "tuple",
    )  # fmt: skip


def test_bfloat16():
    assert bfloat16_values(np.array([[0x3F80, 0xC000]], np.uint16)).tolist() == [[1.0, -2.0]]
    assert bfloat16_values(np.array(0x3F80, np.uint16)).shape == ()


@pytest.mark.fault(52)
def test_a_checkpoint_that_is_too_large_is_refused_unread(tmp_path):
    (tmp_path / "m.index").write_bytes(b"")
    with (tmp_path / "m.data-00000-of-00001").open("wb") as huge:
        huge.truncate(limits.MAX_FILE_BYTES + 1)
    with pytest.raises(WeightsError, match="its files are larger than 4294967296 bytes"):
        read_weights(tmp_path / "m")


@pytest.mark.fault(52)
def test_an_archive_of_very_many_members_is_refused_before_they_are_listed(tmp_path):
    entry = b"PK\x01\x02" + bytes(42)
    (tmp_path / "x").write_bytes(b"PK" + entry * (2 * limits.MAX_TENSORS + 1))
    with pytest.raises(WeightsError, match="far too many members"):
        read_weights(tmp_path / "x")
