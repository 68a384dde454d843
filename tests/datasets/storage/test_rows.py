"""datasets/storage/rows.py: an index in any form becomes the numbers of rows, in few bytes."""

import numpy as np
import pytest

from datasets.storage.rows import narrow_type, row_numbers


@pytest.mark.parametrize(
    "rows",
    [
        [3, 0, -1],
        [],
        slice(None),
        slice(8, 2, -2),
        np.array([-10, 9]),
        np.array([], np.int64),
        np.arange(10) % 3 == 0,
        np.zeros(10, bool),
    ],
)
def test_rows_are_those_that_numpy_takes(rows):
    found = row_numbers(rows, 10)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.arange(10)[rows])


@pytest.mark.parametrize("rows", [[10], [-11], np.array([0, 10]), np.array([0.0, 1.0]), np.zeros(9, bool)])
def test_rows_that_are_not_there_are_refused(rows):
    with pytest.raises(IndexError):
        row_numbers(rows, 10)


def test_parts_share_numbers_that_nobody_can_change():
    rows = row_numbers([2, 1], 10)
    assert row_numbers(rows, 10) is rows
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 3


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_an_array_that_its_owner_may_change_is_copied(dtype):
    own = np.array([2, 1], dtype)
    rows = row_numbers(own, 10)
    own[:] = 0
    assert rows.tolist() == [2, 1]


def test_small_numbers_do_not_overflow():
    assert row_numbers(np.array([-1], np.int8), 1000).tolist() == [999]


def test_numbers_that_need_more_bytes_have_them():
    assert row_numbers(np.array([2**31]), 2**31 + 1).tolist() == [2**31]
    assert [narrow_type(most, np.int16) for most in (32_767, 32_768)] == [np.int16, np.int64]
