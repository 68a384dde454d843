"""Read `.npz` and `.npy`, also a `.npy` with a pickled dictionary, without running the pickle.

Published Caffe weights (`bvlc_alexnet.npy`) are such a dictionary, of lists or of dictionaries: a tensor is named
after its layer and its place there, "conv1/0" or "conv1/weights".
"""

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models.weights.errors import WeightsError
from models.weights.readers.archives import Archive
from models.weights.readers.limits import Entry, checked_shape, shown
from models.weights.readers.safe_pickle import Buildable, leaves, load_pickle, ordered_dict

NPY_MAGIC = b"\x93NUMPY"
_FLOATS = re.compile(r"f[248]")


def npz_entries(archive: Archive) -> Iterator[Entry]:
    """Yield the tensors of the members `NAME.npy`."""
    for member in archive.names:
        if member.endswith(".npy"):
            yield from npy_entries(archive.read(member), member.removesuffix(".npy"))


def npy_entries(content: bytes, name: str = "") -> Iterator[Entry]:
    """Yield the tensor of a `.npy`, or all tensors of the dictionary in it.

    :param name: goes before the names.
    """
    stream = io.BytesIO(content)
    shape, is_fortran, dtype = _header(stream)
    start = stream.tell()
    if dtype.hasobject:
        value = load_pickle(stream, numpy_functions(len(content)), NUMPY_NAMES)
        yield from pickled_entries(value, name)
    elif dtype.kind == "f":
        array = PickledArray()
        array.build((1, shape, PickledDtype(dtype.str[1:], order=dtype.str[0]), is_fortran, content[start:]))
        yield array.entry(name or "array")


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether the order is Fortran's, and the dtype; the stream is then at the data."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise WeightsError(f"its arrays have version {version} of NumPy's format, which weights do not need")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # files of Python 2 are read, too
        return readers[version](stream)


class PickledDtype(Buildable):
    """Stand-in for numpy.dtype."""

    def __init__(self, code: Any, *alignment: Any, order: str = "<") -> None:
        self.code, self.order = _text(code), order

    def build(self, state: Any) -> None:
        """Take the byte order."""
        self.order = _text(state[1])


class PickledArray(Buildable):
    """Stand-in for numpy.ndarray."""

    def __init__(self, *arguments: Any) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.dtype = PickledDtype("f4")
        self.is_fortran = False
        self.content: Any = b""

    def build(self, state: Any) -> None:
        """Take shape, dtype, order and values."""
        _, shape, self.dtype, is_fortran, self.content = state
        if not isinstance(self.dtype, PickledDtype):
            raise WeightsError("its pickle has an array without a dtype; download it again")
        self.shape, self.is_fortran = checked_shape(shape, "an array"), bool(is_fortran)

    def entry(self, name: str) -> Entry:
        """Return the array under a name."""
        return Entry(name, self.shape, lambda: self._values(name))

    def _values(self, name: str) -> np.ndarray:
        # Python 2 wrote the values as a string.
        content = self.content.encode("latin-1") if isinstance(self.content, str) else self.content
        dtype = np.dtype(self.dtype.order + self.dtype.code)
        if (
            not isinstance(content, bytes | bytearray)
            or len(content) != math.prod(self.shape) * dtype.itemsize
        ):
            raise WeightsError(f"{shown(name)} has more or fewer values than its shape; download it again")
        return np.frombuffer(content, dtype).reshape(self.shape, order="F" if self.is_fortran else "C")


def pickled_entries(value: Any, prefix: str = "") -> Iterator[Entry]:
    """Yield the arrays of floats in nested dictionaries and lists, and in arrays of these."""
    for name, leaf in leaves(value, _values_in):
        if isinstance(leaf, PickledArray) and _FLOATS.fullmatch(leaf.dtype.code):
            yield leaf.entry("/".join(filter(None, (prefix, name))) or "array")


def _values_in(value: Any) -> Any:
    """Return the values in an array of objects: a list, or the only one."""
    is_container = isinstance(value, PickledArray) and value.dtype.code.startswith("O")
    if not is_container or not isinstance(value.content, list):
        return value
    return value.content[0] if value.shape == () else value.content


class _Encoder:
    """Stand-in for _codecs.encode, with which Python 3 writes bytes in old pickles."""

    def __init__(self, limit: int) -> None:
        self._left = limit  # characters: a file that encodes more than it has repeats them

    def __call__(self, text: Any, encoding: Any = "latin1") -> bytes:
        self._left -= len(text)
        if self._left < 0 or not isinstance(text, str) or encoding != "latin1":
            raise WeightsError("its pickle has bytes in an unknown form; do not use this file")
        return text.encode("latin-1")


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    """Stand in for the function that rebuilds an array in protocol 5."""
    array = PickledArray()
    array.build((1, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: Any, content: Any = b"") -> PickledArray:
    return _from_buffer(content, dtype, (), "C")


NUMPY_NAMES = frozenset({"numpy.ndarray"})


def numpy_functions(limit: int) -> dict[str, Callable[..., Any]]:
    """Return the stand-ins for what pickles of arrays call.

    :param limit: the bytes of the pickle.
    """
    functions: dict[str, Callable[..., Any]] = {
        "numpy.dtype": PickledDtype, "_codecs.encode": _Encoder(limit), "collections.OrderedDict": ordered_dict,
    }  # fmt: skip
    for core in ("numpy.core", "numpy._core"):  # before NumPy 2 and since
        functions[f"{core}.multiarray._reconstruct"] = PickledArray
        functions[f"{core}.multiarray.scalar"] = _scalar
        functions[f"{core}.numeric._frombuffer"] = _from_buffer
    return functions


def _text(value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise WeightsError("its pickle has an array without a dtype; download it again")
    return text
