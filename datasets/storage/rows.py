"""Hold the numbers of chosen rows in few bytes, since a set may have millions of them in several parts."""

from collections.abc import Sequence

import numpy as np

Rows = np.ndarray | Sequence[int] | slice  # integers, a mask or a slice, as NumPy takes them along one axis


def row_numbers(rows: Rows, count: int) -> np.ndarray:
    """Return which of `count` rows an index selects: (M,) int32 if it can hold them, or else int64.

    :param rows: integers, of which negative ones count from the end, a mask (count,), or a slice. An array of int32
        without negative numbers is returned itself, so that several parts of a set can share it.
    :raises IndexError: a row is not among them.
    """
    if isinstance(rows, slice):
        rows = np.arange(count)[rows]
    rows = np.asarray(rows)
    if len(rows) and not np.issubdtype(rows.dtype, np.integer):
        rows = np.arange(count)[rows]
    if not len(rows):
        return np.zeros(0, np.int32)
    first, last = rows.min(), rows.max()
    if not -count <= first <= last < count:
        raise IndexError(f"rows {first}..{last} are beyond the {count} rows of the array")
    return narrow(np.where(rows < 0, rows + count, rows) if first < 0 else rows, count)


def narrow(values: np.ndarray, most: int) -> np.ndarray:
    """Return whole numbers, at most `most`, in the `narrow_type` for them."""
    return values.astype(narrow_type(most), copy=False)


def narrow_type(most: int, least: type[np.signedinteger] = np.int32) -> type[np.signedinteger]:
    """Return `least`, or int64 if numbers up to `most` do not fit into it."""
    return least if most <= np.iinfo(least).max else np.int64
