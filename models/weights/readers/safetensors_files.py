"""Read `.safetensors` with the library of that name, which checks the header."""

import functools
import struct
from collections.abc import Iterator

import numpy as np
import safetensors

from models.weights.readers.limits import Entry, bfloat16_values, checked_shape

_DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "BF16": "<u2"}
_MAX_HEADER = 2**24  # bytes; those of a tensor take about a hundred


def is_safetensors(head: bytes, file_bytes: int) -> bool:
    """Return whether a file begins like one of this format: the header's length, and JSON."""
    (length,) = struct.unpack("<Q", head[:8]) if len(head) >= 9 else (0,)
    return head[8:9] == b"{" and 2 <= length <= min(_MAX_HEADER, file_bytes)


def safetensors_entries(content: bytes) -> Iterator[Entry]:
    """Yield the tensors of floating-point numbers."""
    for name, tensor in safetensors.deserialize(content):
        if tensor["dtype"] in _DTYPES:
            shape = checked_shape(tensor["shape"], name)
            yield Entry(name, shape, functools.partial(_values, tensor["data"], tensor["dtype"], shape))


def _values(data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
    return bfloat16_values(values) if dtype == "BF16" else values
