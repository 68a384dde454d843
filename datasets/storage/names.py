"""Hold the names of millions of files in one text, and pass over them without lists of them all."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise, starmap
from operator import le
from typing import TypeVar, overload

import numpy as np

from datasets.storage.rows import row_numbers

_BATCH = 4096  # names that are strings at the same time

Item = TypeVar("Item")


class Names(Sequence[str]):
    """Names in one text: each takes its bytes and at most 8 more, where a string takes about 57 more.

    A slice or an array of indices gives Names in the same text. Names equal any sequence of the same strings.

    :param text: all names in UTF-8, uint8; a memory map is shared by processes.
    :param bounds: (M + 1,) where each of M names begins in the text, and where the last one ends.
    :param rows: (N,) which of these names they are; None: all.
    """

    def __init__(self, text: np.ndarray, bounds: np.ndarray, rows: np.ndarray | None = None) -> None:
        self._text, self._bounds, self._rows = np.asarray(text), np.asarray(bounds), rows

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """Return names in any order as Names."""
        if isinstance(names, cls):
            return names
        texts, lengths = list[bytes](), [np.zeros(1, np.int64)]
        for batch in in_batches(names):
            encoded = [name.encode("utf-8", "surrogatepass") for name in batch]
            texts.append(b"".join(encoded))
            lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        text = np.frombuffer(b"".join(texts), np.uint8)
        bounds = np.cumsum(np.concatenate(lengths))
        return cls(text, bounds.astype(np.min_scalar_type(len(text))))

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the text and the bounds of these names alone."""
        if self._rows is not None:
            return Names.of(iter(self)).columns()
        start = self._bounds[0]
        return self._text[start : self._bounds[-1]], self._bounds - start

    def __len__(self) -> int:
        return len(self._bounds) - 1 if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, key: int) -> str: ...

    @overload
    def __getitem__(self, key: slice | np.ndarray) -> "Names": ...

    def __getitem__(self, key: int | slice | np.ndarray) -> "str | Names":
        if isinstance(key, (int, np.integer)):
            row = range(len(self))[key] if self._rows is None else self._rows[key]
            return self._decoded(self._bounds[row], self._bounds[row + 1])
        if self._rows is not None:
            return Names(self._text, self._bounds, self._rows[key])
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return Names(self._text, self._bounds[start : max(start, stop) + 1])
        return Names(self._text, self._bounds, row_numbers(key, len(self)))

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _BATCH):
            rows = slice(first, first + _BATCH) if self._rows is None else self._rows[first : first + _BATCH]
            yield from self._batch(rows)

    def _batch(self, rows: slice | np.ndarray) -> Iterator[str]:
        """Yield the names of some rows."""
        if isinstance(rows, np.ndarray):
            yield from map(self._decoded, self._bounds[rows].tolist(), self._bounds[rows + 1].tolist())
            return
        bounds = self._bounds[rows.start : rows.stop + 1]
        text = self._decoded(bounds[0], bounds[-1])
        if len(text) == bounds[-1] - bounds[0]:  # one byte a character, so the text can be cut
            yield from starmap(lambda start, end: text[start:end], pairwise((bounds - bounds[0]).tolist()))
        else:
            yield from starmap(self._decoded, pairwise(bounds.tolist()))

    def _decoded(self, start: int, end: int) -> str:
        return str(self._text[start:end].tobytes(), "utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    def find(self, name: str) -> int:
        """Return the index of one of the names, which must be sorted.

        :raises KeyError: it is not among them.
        """
        row = bisect_left(self, name)
        if row == len(self) or self[row] != name:
            raise KeyError(name)
        return row

    def __repr__(self) -> str:
        return f"Names.of({list(self)!r})"


def in_batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield consecutive items in lists."""
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def inside_list(items: Iterable[Item], text_of: Callable[[list[Item]], str]) -> Iterator[bytes]:
    """Yield what `text_of(list(items))` has between its brackets, in pieces, as UTF-8.

    :param text_of: `json.dumps` or `repr`.
    """
    separator = ""
    for batch in in_batches(items):
        yield (separator + text_of(batch)[1:-1]).encode()
        separator = ", "


def are_sorted(names: Sequence[str]) -> bool:
    """Return whether the names are in ascending order."""
    return all(starmap(le, pairwise(names)))


def sorted_rows(names: Sequence[str]) -> np.ndarray:
    """Return the indices (N,) that sort names; a list of them all is made only if they are not sorted already."""
    if are_sorted(names):
        return row_numbers(slice(None), len(names))
    listed = list(names)
    return np.array(sorted(range(len(listed)), key=listed.__getitem__), np.intp)
