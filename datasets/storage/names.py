"""Hold the names of millions of files in one text, and pass over them without lists of them all."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise, starmap
from operator import le
from typing import TypeVar, overload

import numpy as np

_BATCH = 4096  # names that are strings at the same time

Item = TypeVar("Item")


class Names(Sequence[str]):
    """Names in one text: each takes its characters and about 8 bytes, where a string takes 57 more than these.

    A slice or an array of indices gives Names in the same text. Names equal any sequence of the same strings.

    :param text: all names.
    :param starts: (N,) where each name begins in the text.
    :param ends: (N,) where it ends.
    """

    def __init__(self, text: str, starts: np.ndarray, ends: np.ndarray) -> None:
        self._text, self._starts, self._ends = text, starts, ends

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """Return names in any order as Names."""
        if isinstance(names, cls):
            return names
        texts, lengths = [""], [np.zeros(1, np.int64)]
        for batch in in_batches(names):
            texts.append("".join(batch))
            lengths.append(np.fromiter(map(len, batch), np.int64, len(batch)))
        text = "".join(texts)
        bounds = np.cumsum(np.concatenate(lengths)).astype(np.min_scalar_type(len(text)))
        return cls(text, bounds[:-1], bounds[1:])

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, key: int) -> str: ...

    @overload
    def __getitem__(self, key: slice | np.ndarray) -> "Names": ...

    def __getitem__(self, key: int | slice | np.ndarray) -> "str | Names":
        if isinstance(key, (int, np.integer)):
            return self._text[self._starts[key] : self._ends[key]]
        return Names(self._text, self._starts[key], self._ends[key])

    def __iter__(self) -> Iterator[str]:
        text = self._text
        for first in range(0, len(self), _BATCH):
            batch = slice(first, first + _BATCH)
            for start, end in zip(self._starts[batch].tolist(), self._ends[batch].tolist(), strict=True):
                yield text[start:end]

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


def sorted_rows(names: Sequence[str]) -> np.ndarray:
    """Return the indices (N,) that sort names; a list of them all is made only if they are not sorted already."""
    if all(starmap(le, pairwise(names))):
        return np.arange(len(names))
    listed = list(names)
    return np.array(sorted(range(len(listed)), key=listed.__getitem__), np.intp)
