"""Limit the memory that a file of weights may take, so that a small file cannot fill it."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from models.weights.errors import WeightsError

MAX_FILE_BYTES = 4 * 2**30
MAX_TENSORS = 50_000  # ResNet-152 with its optimizer's slots has 2,000
MAX_DIMENSIONS = 8
MAX_NAME = 1000  # characters
# Tensors may take this many times the bytes of their file, because archives are packed and storages are shared.
# Trained weights hardly shrink; only zeros and ones do, and for these there are some bytes in any case.
MAX_EXPANSION = 20
FREE_BYTES = 64 * 2**20
_SHOWN = 100  # characters of a file's text that a message quotes


class Entry(NamedTuple):
    """A tensor of a file that is not read yet.

    :param load: returns the tensor, of any dtype.
    """

    name: str
    shape: tuple[int, ...]
    load: Callable[[], np.ndarray]


def shown(value: Any) -> str:
    """Return text or a number of a file as a message may quote it: short, without control characters.

    Of other values only the type is named: a few bytes can describe a list whose text never ends.
    """
    if isinstance(value, bytes):
        text = value[:_SHOWN].decode("latin-1")
    else:
        text = str(value) if isinstance(value, str | int | np.integer) else type(value).__name__
    return repr(text[:_SHOWN])[1:-1][:_SHOWN]


class Budget:
    """The bytes that the content of one file may take in memory.

    :param file_bytes: the size of the file or files.
    """

    def __init__(self, file_bytes: int) -> None:
        self._left = max(FREE_BYTES, MAX_EXPANSION * file_bytes)

    def take(self, num_bytes: int, what: str) -> None:
        """Count so many bytes, before they are allocated. WeightsError if they are too many."""
        self._left -= num_bytes
        if num_bytes < 0 or self._left < 0:
            raise WeightsError(
                f"{shown(what)} claims to take {num_bytes} bytes, far more than the file can hold; do not use "
                "this file"
            )


def checked_shape(shape: Iterable[Any], name: str) -> tuple[int, ...]:
    """Return the shape as a tuple. WeightsError if it is not one that an array can have."""
    sizes = tuple(shape)
    is_shape = len(sizes) <= MAX_DIMENSIONS and all(
        isinstance(size, int | np.integer) and 0 <= size <= MAX_FILE_BYTES for size in sizes
    )
    if not is_shape or math.prod(map(int, sizes)) > MAX_FILE_BYTES:
        text = ", ".join(map(shown, sizes[: MAX_DIMENSIONS + 1]))
        raise WeightsError(f"{shown(name)} has the impossible shape ({text}); do not use this file")
    return tuple(map(int, sizes))


def bfloat16_values(bits: np.ndarray) -> np.ndarray:
    """Return float32 of the values whose upper 16 bits are given, as uint16."""
    return (np.ascontiguousarray(bits).astype(np.uint32) << 16).view(np.float32).reshape(bits.shape)
