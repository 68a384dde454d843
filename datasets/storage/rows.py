"""Store row numbers compactly, since a set may have millions of them in several parts."""

from collections.abc import Iterator, Sequence

import numpy as np

Rows = np.ndarray | Sequence[int] | slice  # integers, a mask or a slice, as NumPy takes them along one axis
_PIECE = 2**16  # rows


def row_numbers(rows: Rows, count: int) -> np.ndarray:
    """Return which of `count` rows an index selects: (M,) int32, or int64 for more rows than int32 can number.

    The result is read-only. Given again, it is returned itself, so that several parts of a set share it.

    :param rows: integers, of which negative ones count from the end, a mask (count,), or a slice.
    :raises IndexError: a row is not among them.
    """
    dtype = narrow_type(count)
    if isinstance(rows, slice):
        return _read_only(np.arange(*rows.indices(count), dtype=dtype))
    rows = np.asarray(rows)
    if len(rows) and not np.issubdtype(rows.dtype, np.integer):
        rows = np.arange(count, dtype=dtype)[rows]
    if not len(rows):
        return _read_only(np.zeros(0, dtype))
    first, last = rows.min(), rows.max()
    if not -count <= first <= last < count:
        raise IndexError(f"rows {first}..{last} are beyond the {count} rows of the array")
    if first < 0:
        rows = np.where(rows < 0, rows + np.int64(count), rows)
    is_shared = rows.dtype == dtype and not rows.flags.writeable
    return rows if is_shared else _read_only(rows.astype(dtype))


def pieces(count: int) -> Iterator[slice]:
    """Yield consecutive slices of `count` rows, to work on a part of a million rows at a time."""
    return (slice(start, min(start + _PIECE, count)) for start in range(0, count, _PIECE))


def narrow_type(most: int, least: type[np.signedinteger] = np.int32) -> type[np.signedinteger]:
    """Return `least`, or int64 if numbers up to `most` do not fit into it."""
    return least if most <= np.iinfo(least).max else np.int64


def _read_only(rows: np.ndarray) -> np.ndarray:
    rows.flags.writeable = False
    return rows
