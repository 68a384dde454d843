"""Read `.pth` of PyTorch, the zip archive and the older form, without PyTorch and without running their pickle.

Both forms have a pickle in which tensors refer to storages by keys, and the storages' bytes beside it. What
`torch.save(model.state_dict(), FILE)` writes is read, alone or in a dictionary under one of STATE_KEYS, as training
scripts save it. The prefix "module." of torch.nn.DataParallel is left out of the names.
"""

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from models.weights.errors import WeightsError
from models.weights.readers.archives import Archive
from models.weights.readers.limits import MAX_FILE_BYTES, Entry, bfloat16_values, checked_shape, shown
from models.weights.readers.numpy_files import NUMPY_NAMES, numpy_functions
from models.weights.readers.safe_pickle import Name, leaves, load_pickle

STATE_KEYS = ("state_dict", "model_state_dict", "model")
LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"
_PROTOCOL = 1001
_BFLOAT16 = "bfloat16"
# storage class: its dtype without the byte order
_DTYPES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": _BFLOAT16,
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
_PREFIX = "module."
_NAMES = NUMPY_NAMES | {f"torch.{storage}" for storage in _DTYPES}


class _Storage(NamedTuple):
    """A block of numbers of one dtype, or a part of one.

    :param numel: the numbers of the whole block.
    :param start: where the part begins.
    """

    key: str
    dtype: str
    numel: int
    start: int = 0

    @property
    def item_bytes(self) -> int:
        return 2 if self.dtype == _BFLOAT16 else np.dtype(self.dtype).itemsize


class _Tensor(NamedTuple):
    """What PyTorch rebuilds a tensor from; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *others: Any) -> _Tensor:
    is_known = isinstance(storage, _Storage) and type(shape) is type(strides) is tuple
    numbers = (offset, *strides) if is_known else (None,)
    if not all(type(number) is int and 0 <= number <= MAX_FILE_BYTES for number in numbers):
        raise WeightsError("it has a tensor with an impossible place of its numbers; do not use this file")
    return _Tensor(storage, offset, checked_shape(shape, "a tensor"), strides)


def _rebuild_parameter(data: Any, *others: Any) -> Any:
    return data


def _size(sizes: Any = ()) -> tuple[Any, ...]:
    return tuple(sizes) if isinstance(sizes, list | tuple) else ()


def _find_storage(persistent_id: Any) -> _Storage:
    """Return the storage that a pickle refers to, as ("storage", class, key, device, numel, part or None)."""
    _, storage, key, _, numel, *view = persistent_id
    _, _, name = storage.rpartition(".")
    is_known = isinstance(storage, Name) and name in _DTYPES and type(key) is str
    start = view[0][1] if view and view[0] is not None else 0
    if not is_known or type(start) is not int or type(numel) is not int or numel < 0:
        raise WeightsError("it has numbers of an unknown kind; save the weights as float32")
    return _Storage(key, _DTYPES[name], numel, start)


def _load(stream: io.BytesIO, num_bytes: int) -> Any:
    functions: dict[str, Callable[..., Any]] = {
        **numpy_functions(num_bytes),
        "torch._utils._rebuild_tensor": _rebuild_tensor,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch.Size": _size,
    }
    return load_pickle(stream, functions, _NAMES, _find_storage)


def is_torch_archive(archive: Archive) -> bool:
    """Return whether a zip archive is PyTorch's."""
    return any(name.endswith("/data.pkl") or name == "data.pkl" for name in archive.names)


def zip_entries(archive: Archive) -> Iterator[Entry]:
    """Yield the tensors of a zip archive that `torch.save` wrote.

    :raises WeightsError: it is a TorchScript program, or its pickle asks for other classes than tensors need.
    """
    (pickle_name,) = (name for name in archive.names if name.split("/")[-1] == "data.pkl")
    folder = pickle_name.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.names:
        raise WeightsError("it is a TorchScript program; save its state_dict() with torch.save instead")
    content = archive.read(pickle_name)
    value = _load(io.BytesIO(content), len(content))
    has_order = f"{folder}byteorder" in archive.names
    order = ">" if has_order and archive.read(f"{folder}byteorder") == b"big" else "<"
    blocks: dict[str, bytes] = {}

    def block(storage: _Storage) -> bytes:
        if storage.key not in blocks:
            blocks[storage.key] = archive.read(f"{folder}data/{storage.key}")
        return blocks[storage.key]

    yield from _entries(value, block, order)


def legacy_entries(content: bytes) -> Iterator[Entry]:
    """Yield the tensors of the form that PyTorch wrote before version 1.6.

    Its parts are pickles of a magic number, a version, facts about the machine, the tensors, and the storages'
    keys; behind them, for each key, the number of numbers (int64) and the numbers.
    """
    stream = io.BytesIO(content)
    head = [_load(stream, len(content)) for _ in range(3)]
    if head[1] != _PROTOCOL:
        raise WeightsError(
            f"it has version {shown(head[1])} of PyTorch's format, not {_PROTOCOL}; save it again"
        )
    value, keys = _load(stream, len(content)), _load(stream, len(content))
    used = {leaf.storage.key: leaf.storage for _, leaf in leaves(value) if isinstance(leaf, _Tensor)}
    blocks: dict[str, memoryview] = {}
    position = stream.tell()
    for key in keys:
        if type(key) is not str or key not in used:  # a tuple could take years to look up
            raise WeightsError(f"it has numbers {shown(key)} that belong to no tensor; download it again")
        (numel,) = struct.unpack_from("<q", content, position)
        end = position + 8 + numel * used[key].item_bytes
        if numel < 0 or end > len(content):
            raise WeightsError("it is cut short; download it again")
        blocks[key] = memoryview(content)[position + 8 : end]
        position = end
    yield from _entries(value, lambda storage: blocks[storage.key], "<")


def _entries(value: Any, block: Callable[[_Storage], bytes | memoryview], order: str) -> Iterator[Entry]:
    tensors = [(name, leaf) for name, leaf in leaves(_state(value)) if isinstance(leaf, _Tensor)]
    is_parallel = all(name.startswith(_PREFIX) for name, _ in tensors)
    for name, tensor in tensors:  # two may have the same name
        if tensor.storage.dtype[0] in "fb":
            own = name.removeprefix(_PREFIX) if is_parallel else name
            yield Entry(own, tensor.shape, _loader(tensor, block, order, name))


def _state(value: Any) -> Any:
    """Return the dictionary of tensors in a training script's checkpoint, or the value itself."""
    if isinstance(value, dict):
        return next((value[key] for key in STATE_KEYS if isinstance(value.get(key), dict)), value)
    return value


def _loader(
    tensor: _Tensor, block: Callable[[_Storage], bytes | memoryview], order: str, name: str
) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        storage = tensor.storage
        first = storage.start + tensor.offset
        steps = [(size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)]
        content = block(storage)
        available = min(storage.numel, len(content) // storage.item_bytes)
        if 0 in tensor.shape:
            return np.zeros(tensor.shape, np.float32)
        if first < 0 or first + sum(steps) >= available:
            raise WeightsError(f"{shown(name)} reaches beyond its numbers; download it again")
        dtype = np.dtype(order + ("u2" if storage.dtype == _BFLOAT16 else storage.dtype))
        numbers = np.frombuffer(content, dtype, count=available)[first:]
        strides = [stride * dtype.itemsize for stride in tensor.strides]
        view = np.lib.stride_tricks.as_strided(numbers, tensor.shape, strides, writeable=False)
        return bfloat16_values(view) if storage.dtype == _BFLOAT16 else view

    return load
