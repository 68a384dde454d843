"""Pickles of plain values and byte arrays, read without calling anything that the pickle names.

A pickle is a program: the ordinary reader imports and calls whatever it asks for. The CIFAR-10 batches need four
names of NumPy's, and each of them stands here for something that only keeps its arguments. Of the operations of a
pickle those are known that build plain values; the others could take memory that the file does not have.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from datasets.errors import DataError, escape_name

_SHOWN = 100  # characters of a file's own words that a message repeats
_OPERATIONS = (
    pickle.PROTO + pickle.FRAME + pickle.STOP + pickle.MARK + pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE
    + pickle.INT + pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.LONG + pickle.LONG1
    + pickle.FLOAT + pickle.BINFLOAT + pickle.STRING + pickle.BINSTRING + pickle.SHORT_BINSTRING
    + pickle.UNICODE + pickle.BINUNICODE + pickle.SHORT_BINUNICODE
    + pickle.BINBYTES + pickle.SHORT_BINBYTES + pickle.BINBYTES8
    + pickle.EMPTY_LIST + pickle.LIST + pickle.APPEND + pickle.APPENDS
    + pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3
    + pickle.EMPTY_DICT + pickle.DICT + pickle.SETITEM + pickle.SETITEMS
    + pickle.PUT + pickle.BINPUT + pickle.LONG_BINPUT + pickle.MEMOIZE
    + pickle.GET + pickle.BINGET + pickle.LONG_BINGET
    + pickle.GLOBAL + pickle.STACK_GLOBAL + pickle.REDUCE + pickle.BUILD
)  # fmt: skip


def load_plain_pickle(content: bytes, name: str) -> Any:
    """Reads a pickle that holds dict, list, tuple, int, float, bytes, str and uint8 arrays, and nothing else.

    :param content: the whole file.
    :param name: of the file, for messages.
    :return: what was pickled; the strings of Python 2 are bytes.
    :raises DataError: it names another class or function, or is no pickle.
    """
    try:
        return _finished(_PlainUnpickler(content).load())
    except DataError as error:
        raise DataError(f"'{name}' {error}") from error
    except Exception as error:  # a garbled pickle can fail in any way
        reason = escape_name(f"{error!r:.{_SHOWN}}")
        raise DataError(f"'{name}' is no pickle that can be read ({reason}); download it again") from error


class _Dtype:
    """Stands for numpy.dtype: uint8 or nothing."""

    def __init__(self, code: Any, *alignment: Any) -> None:
        if code not in ("u1", b"u1"):
            shown = escape_name(f"{code!r:.{_SHOWN}}")
            raise DataError(f"holds an array of dtype {shown}; only bytes (u1) are read")

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


class _Encoder:
    """Stands for _codecs.encode, by which Python 3 writes bytes in old pickles.

    :param limit: the most characters that are encoded in all: more than a file has can only be repetition.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit

    def __call__(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise DataError("holds bytes in an unknown form")
        self._left -= len(text)
        if self._left < 0:
            raise DataError("repeats its bytes again and again; do not use this file")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise DataError("changes a function, which no data file does; do not use this file")


class _KnownOperations(dict[int, Any]):
    def __missing__(self, operation: int) -> NoReturn:
        raise DataError(f"is no pickle of plain data: it has the operation {bytes([operation])!r}")


# The reader in Python, not the one in C: its memo is a dictionary, so that a huge index takes no memory.
class _PlainUnpickler(pickle._Unpickler):
    dispatch = _KnownOperations({code: pickle._Unpickler.dispatch[code] for code in _OPERATIONS})

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._stand_ins: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("_codecs", "encode"): _Encoder(len(content)),
        }

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in self._stand_ins:
            raise DataError(
                f"asks for {escape_name(f'{module}.{name}'[:_SHOWN])}, which has no place in a data file: it was "
                "refused and nothing of it ran; do not use this file"
            )
        return self._stand_ins[module, name]


def _finished(value: Any) -> Any:
    """The value with arrays in place of their stand-ins, which stand at the top or in the dictionary there."""
    if isinstance(value, dict):
        return {key: _array(item) for key, item in value.items()}
    return _array(value)


def _array(value: Any) -> Any:
    return value.values if isinstance(value, _Array) else value
