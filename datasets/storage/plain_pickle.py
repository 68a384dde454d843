"""Pickles of plain values and byte arrays, read without calling anything that the pickle names.

A pickle is a program: the ordinary reader imports and calls whatever it asks for. The CIFAR-10 batches need four
names of NumPy's, and each of them stands here for something that only keeps its arguments. Of the operations of a
pickle those are known that build plain values; the others could take memory that the file does not have.
"""

import io
import pickle
import struct
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from datasets.errors import DataError, escape_name

MAX_OPERATIONS = 300_000  # an official batch has some 40,000; each may take a hundred bytes
_MAX_PIECE = 2**20  # bytes of a line or a frame: Python's frames have 64 KiB, large values stand outside
_LAST_LATIN1 = 0xC3  # the highest byte in UTF-8 of the characters up to 255
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
    """What is done for each operation, so many times in all: objects are far larger than what asks for them."""

    def __init__(self, known: dict[int, Any]) -> None:
        super().__init__(known)
        self._left = MAX_OPERATIONS

    def __getitem__(self, operation: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise DataError(
                f"has more than {MAX_OPERATIONS} operations, so it is no data file; do not use it"
            )
        return super().__getitem__(operation)

    def __missing__(self, operation: int) -> NoReturn:
        raise DataError(f"is no pickle of plain data: it has the operation {bytes([operation])!r}")


class _Lines(io.BytesIO):
    """Bytes that have no huge line, for the reader copies it several times."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_MAX_PIECE + 1)
        if len(line) > _MAX_PIECE:
            raise DataError(f"has a line of more than {_MAX_PIECE} bytes; do not use this file")
        return line


# The reader in Python, not the one in C: its memo is a dictionary, so that a huge index takes no memory.
class _PlainUnpickler(pickle._Unpickler):
    read: Callable[[int], bytes]  # these three are set by `load`
    append: Callable[[Any], None]
    _unframer: Any

    def __init__(self, content: bytes) -> None:
        super().__init__(_Lines(content), encoding="bytes")
        known: dict[int, Any] = {code: pickle._Unpickler.dispatch[code] for code in _OPERATIONS}
        known |= {
            pickle.FRAME[0]: _PlainUnpickler.load_frame,
            pickle.BINUNICODE[0]: _PlainUnpickler.load_text,
        }
        self.dispatch = _KnownOperations(known)  # type: ignore[misc]
        self._stand_ins: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("_codecs", "encode"): _Encoder(len(content)),
        }

    def load_frame(self) -> None:
        """A frame is copied as a whole, so a large one is refused."""
        (size,) = struct.unpack("<Q", self.read(8))
        if size > _MAX_PIECE:
            raise DataError(f"has a frame of {size} bytes; do not use this file")
        self._unframer.load_frame(size)

    def load_text(self) -> None:
        """A long text may be bytes in the way of Python 3; any other would take four times its room."""
        (size,) = struct.unpack("<I", self.read(4))
        text = self.read(size)
        if size > _MAX_PIECE and np.frombuffer(text, np.uint8).max() > _LAST_LATIN1:
            raise DataError("holds a long text; do not use this file")
        self.append(str(text, "utf-8", "surrogatepass"))

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
