"""Pickles of plain values and byte arrays, read without calling anything that the pickle names.

A pickle is a program: the ordinary reader imports and calls whatever it asks for. The CIFAR-10 batches need four
names of NumPy's, and each of them stands here for a function that only keeps its arguments.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from datasets.errors import DataError


def load_plain_pickle(content: bytes, name: str) -> Any:
    """Reads a pickle that holds dict, list, tuple, int, float, bytes, str and uint8 arrays, and nothing else.

    :param content: the whole file.
    :param name: of the file, for messages.
    :return: what was pickled; the strings of Python 2 are bytes.
    :raises DataError: it names another class or function, or is no pickle.
    """
    try:
        return _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"'{name}' {error}") from error
    except Exception as error:  # a garbled pickle can fail in any way
        raise DataError(f"'{name}' is no pickle that can be read ({error!r}); download it again") from error


class _Dtype:
    """Stands for numpy.dtype: uint8 or nothing."""

    def __init__(self, code: Any, *alignment: Any) -> None:
        if code not in ("u1", b"u1"):
            raise DataError(f"holds an array of dtype {code!r}; only bytes (u1) are read")

    def __setstate__(self, state: Any) -> None:
        """The byte order of single bytes is no matter."""


class _Array:
    """Stands for numpy.ndarray, and becomes one in `_finished`."""

    def __init__(self, *arguments: Any) -> None:
        self.values = np.zeros(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes) or is_fortran:
            raise DataError("holds an array that is not made of bytes in C order")
        self.values = np.frombuffer(content, np.uint8).reshape(shape)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Stands for _codecs.encode, by which Python 3 writes bytes in old pickles."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise DataError("holds bytes in an unknown form")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _encode,
}


# The reader in Python, not the one in C: its memo is a dictionary, so that a huge index takes no memory.
class _PlainUnpickler(pickle._Unpickler):  # type: ignore[name-defined, misc]
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in _STAND_INS:
            raise DataError(
                f"asks for {module}.{name}, which has no place in a data file: it was refused and nothing of it "
                "ran; do not use this file"
            )
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        raise DataError("refers to objects outside of itself")

    def load(self) -> Any:
        return _finished(super().load())


def _finished(value: Any) -> Any:
    """The value with arrays in place of their stand-ins, which stand at the top or in one dictionary."""
    if isinstance(value, dict):
        return {key: _finished(item) for key, item in value.items()}
    return value.values if isinstance(value, _Array) else value
