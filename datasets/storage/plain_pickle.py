"""Read pickles of plain values and byte arrays without calling anything that the pickle names.

A pickle is a program: the ordinary reader imports and calls whatever it names. The CIFAR-10 batches need four names
of NumPy, which are replaced by stand-ins that only keep their arguments. All operations are checked before the
pickle is read: those that plain values do not need are refused, as are sizes and numbers that would take far more
memory than the file.
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from datasets.errors import DataError, escape_name

MAX_OPERATIONS = 300_000  # an official batch has about 40,000; each may take a hundred bytes
_MAX_LINE = 2**20  # bytes; larger values state their size
_LAST_LATIN1 = 0xC3  # highest byte in the UTF-8 form of the characters up to 255
_SHOWN = 100  # characters of a file's text that a message quotes
_PLAIN = (
    pickle.PROTO + pickle.FRAME + pickle.STOP + pickle.MARK + pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE
    + pickle.INT + pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.LONG + pickle.LONG1
    + pickle.FLOAT + pickle.BINFLOAT + pickle.STRING + pickle.BINSTRING + pickle.SHORT_BINSTRING
    + pickle.UNICODE + pickle.BINUNICODE + pickle.SHORT_BINUNICODE
    + pickle.BINBYTES + pickle.SHORT_BINBYTES + pickle.BINBYTES8 + pickle.BYTEARRAY8
    + pickle.EMPTY_LIST + pickle.LIST + pickle.APPEND + pickle.APPENDS
    + pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3
    + pickle.EMPTY_DICT + pickle.DICT + pickle.SETITEM + pickle.SETITEMS
    + pickle.PUT + pickle.BINPUT + pickle.LONG_BINPUT + pickle.MEMOIZE
    + pickle.GET + pickle.BINGET + pickle.LONG_BINGET
    + pickle.GLOBAL + pickle.STACK_GLOBAL + pickle.REDUCE + pickle.BUILD
)  # fmt: skip
_OPERATIONS = {ord(known.code): known for known in pickletools.opcodes if ord(known.code) in _PLAIN}
_SIZE_BYTES = {  # of the size in front of an argument
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


def load_plain_pickle(content: bytes, name: str) -> Any:
    """Read a pickle of dict, list, tuple, int, float, bytes, str and uint8 arrays.

    :param content: the whole file.
    :param name: of the file, for messages.
    :return: the value; strings of Python 2 become bytes.
    :raises DataError: the pickle names another class or function, or is not a pickle.
    """
    try:
        for operation, argument in _operations(content):
            _check_memory(operation, argument)
        return _with_arrays(_PlainUnpickler(content).load())
    except DataError as error:
        raise DataError(f"'{name}' {error}") from error
    except Exception as error:  # a garbled pickle can fail in any way
        reason = escape_name(f"{error!r:.{_SHOWN}}")
        raise DataError(f"'{name}' is not a pickle that can be read ({reason}); download it again") from error


def _operations(content: bytes) -> Iterator[tuple[str, memoryview]]:
    """Yield the name and the argument of each operation without copying."""
    whole, position = memoryview(content), 0
    for _ in range(MAX_OPERATIONS):
        operation = _OPERATIONS.get(content[position])
        if operation is None:
            raise DataError(
                f"is not a pickle of plain data: it has the operation {content[position : position + 1]!r}"
            )
        start, end = _argument(operation, content, position + 1)
        if end > len(content):
            raise EOFError("it is cut short")
        yield operation.name, whole[start:end]
        if operation.name == "STOP":
            return
        position = end
    raise DataError(f"has more than {MAX_OPERATIONS} operations, so it is not a data file; do not use it")


def _argument(operation: pickletools.OpcodeInfo, content: bytes, start: int) -> tuple[int, int]:
    """Return the start and the end of an operation's argument, without the size in front of it."""
    kind = operation.arg.n if operation.arg else 0
    if kind in _SIZE_BYTES:
        begin = start + _SIZE_BYTES[kind]
        return begin, begin + int.from_bytes(content[start:begin], "little")
    if kind != pickletools.UP_TO_NEWLINE:
        return start, start + kind
    end = start
    for _ in range(2 if operation.name == "GLOBAL" else 1):
        end = content.index(b"\n", end, end + _MAX_LINE) + 1
    return start, end


def _check_memory(operation: str, argument: memoryview) -> None:
    """Refuse an operation that takes far more memory than its bytes."""
    if operation in ("PUT", "LONG_BINPUT"):  # the reader allocates a table up to the highest number
        number = int(bytes(argument)) if operation == "PUT" else int.from_bytes(argument, "little")
        if number > MAX_OPERATIONS:
            raise DataError(f"remembers a value by the number {number}; do not use this file")
    is_long_text = operation == "BINUNICODE" and len(argument) > _MAX_LINE
    # Python 3 writes bytes as Latin-1 text; other text would take four times its size.
    if is_long_text and np.frombuffer(argument, np.uint8).max() > _LAST_LATIN1:
        raise DataError("holds a long text; do not use this file")


class _Dtype:
    """Stand-in for numpy.dtype, which must be uint8."""

    def __init__(self, code: Any, *alignment: Any) -> None:
        if code not in ("u1", b"u1"):
            shown = escape_name(f"{code!r:.{_SHOWN}}")
            raise DataError(f"holds an array of dtype {shown}; only bytes (u1) are read")

    def __setstate__(self, state: Any) -> None:
        """Ignore the byte order, which single bytes do not have."""


class _Array:
    """Stand-in for numpy.ndarray, which `_with_arrays` replaces by its values."""

    def __init__(self, *arguments: Any) -> None:
        self.values = np.zeros(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes) or is_fortran:
            raise DataError("holds an array that is not made of bytes in C order")
        self.values = np.frombuffer(content, np.uint8).reshape(shape)


class _Encoder:
    """Stand-in for _codecs.encode, with which Python 3 writes bytes in old pickles."""

    def __init__(self, limit: int) -> None:
        self._left = limit  # characters: a file that encodes more than it has repeats them

    def __call__(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise DataError("holds bytes in an unknown form")
        self._left -= len(text)
        if self._left < 0:
            raise DataError("repeats its bytes again and again; do not use this file")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise DataError("changes a function, which no data file does; do not use this file")


class _PlainUnpickler(pickle.Unpickler):
    """The ordinary reader, but with stand-ins for the names that a batch needs and without any others."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._stand_ins: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("_codecs", "encode"): _Encoder(len(content)),
        }

    def find_class(self, module: str, name: str, /) -> Callable[..., Any]:
        if (module, name) not in self._stand_ins:
            raise DataError(
                f"asks for {escape_name(f'{module}.{name}'[:_SHOWN])}, which has no place in a data file: it was "
                "refused and nothing of it ran; do not use this file"
            )
        return self._stand_ins[module, name]


def _with_arrays(value: Any) -> Any:
    """Return the value with arrays in place of stand-ins, at the top level or in a dictionary there."""
    if isinstance(value, dict):
        return {key: _with_arrays(item) if isinstance(item, _Array) else item for key, item in value.items()}
    return value.values if isinstance(value, _Array) else value
