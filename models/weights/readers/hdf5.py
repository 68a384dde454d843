"""Read the part of HDF5 that Keras writes: groups, arrays of numbers in one piece, and attributes of text.

h5py reads damaged files without end (a heap of texts whose parts have no size, for example) and follows links to
other files. This reader follows addresses within the file only, each checked, and visits a limited number of them.
It knows what h5py writes by default: superblock 0, object headers 1, groups with symbol tables, arrays that are
neither in chunks nor compressed.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from models.weights.errors import WeightsError
from models.weights.readers.limits import MAX_NAME, MAX_TENSORS, checked_shape, shown

MAGIC = b"\x89HDF\r\n\x1a\n"
_ROOT = 64  # position of the address of the root group
_CONTINUATION, _DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT, _FILTERS, _ATTRIBUTE, _SYMBOLS = (
    0x10, 0x01, 0x03, 0x07, 0x08, 0x0B, 0x0C, 0x11,
)  # fmt: skip
_CONTIGUOUS = 1
_INTEGER, _FLOAT, _STRING, _VARIABLE = 0, 1, 3, 9  # classes of datatypes
_EXPONENT_BITS = {2: 5, 4: 8, 8: 11}  # of IEEE's numbers of so many bytes; bfloat16 has 8
_NOWHERE = 2**64 - 1
_MAX_VISITS = 10 * MAX_TENSORS  # ResNet-152 has 20,000 messages and entries


class _Type(NamedTuple):
    kind: int
    size: int  # bytes
    dtype: np.dtype[Any] | None  # of numbers


class Hdf5Array(NamedTuple):
    """An array in the file that is not read yet.

    :param dtype: None if its values are not numbers of NumPy's.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    content: memoryview
    attributes: dict[str, list[str]]

    def read(self) -> np.ndarray:
        """Return the values."""
        return np.frombuffer(self.content, self.dtype).reshape(self.shape)


class Hdf5Group(NamedTuple):
    """A group: its attributes of text, and what is in it by name."""

    attributes: dict[str, list[str]]
    children: dict[str, "Hdf5Group | Hdf5Array"]


def read_hdf5(content: bytes) -> Hdf5Group:
    """Return the root group with everything in it; the numbers of arrays stay in `content`.

    :raises WeightsError: the file has parts that Keras does not write, or groups within themselves. Garbled files
        may raise any other exception.
    """
    root = _File(content).root()
    if not isinstance(root, Hdf5Group):
        raise WeightsError("it is garbled; download it again")
    return root


class _File:
    """The bytes of a file, and how much of them was visited."""

    def __init__(self, content: bytes) -> None:
        self._content, self._visits = memoryview(content), 0
        self._open: set[int] = set()  # addresses of the groups around the present one

    def root(self) -> Hdf5Group | Hdf5Array:
        version, size_of_offsets, size_of_lengths = self._content[8], self._content[13], self._content[14]
        if (version, size_of_offsets, size_of_lengths) != (0, 8, 8):
            raise WeightsError(
                "it is HDF5 of a newer form; write it again with Keras or h5py, as they do by default"
            )
        (address,) = self._unpack("<Q", _ROOT)
        return self._object(address)

    def _visit(self) -> None:
        self._visits += 1
        if self._visits > _MAX_VISITS:
            raise WeightsError("it has far too many parts; do not use this file")

    def _piece(self, start: int, size: int) -> memoryview:
        piece = self._content[start : start + size]
        if len(piece) != size:
            raise WeightsError("it is cut short; download it again")
        return piece

    def _unpack(self, form: str, start: int) -> tuple[Any, ...]:
        return struct.unpack(form, self._piece(start, struct.calcsize(form)))

    def _object(self, address: int) -> Hdf5Group | Hdf5Array:
        if address in self._open:
            raise WeightsError("a group is within itself; do not use this file")
        self._open.add(address)
        messages = list(self._messages(address))
        kinds = dict(messages)
        attributes = dict(self._attribute(data) for kind, data in messages if kind == _ATTRIBUTE)
        if _SYMBOLS in kinds:
            made: Hdf5Group | Hdf5Array = Hdf5Group(attributes, self._children(kinds[_SYMBOLS]))
        else:
            made = self._array(kinds, attributes)
        self._open.remove(address)
        return made

    def _messages(self, address: int) -> Iterator[tuple[int, memoryview]]:
        """Yield the kinds and the contents of an object's messages, whose blocks may go on elsewhere."""
        version, _, _, _, size = self._unpack("<BBHII", address)
        if version != 1:
            raise WeightsError(
                "it is HDF5 of a newer form; write it again with Keras or h5py, as they do by default"
            )
        blocks = [self._piece(address + 16, size)]
        for block in blocks:  # continuations are appended
            position = 0
            while position + 8 <= len(block):
                self._visit()
                kind, size, flags = struct.unpack_from("<HHB", block, position)
                data = block[position + 8 : position + 8 + size]
                position += 8 + size
                if kind == _CONTINUATION:
                    blocks.append(self._piece(*struct.unpack_from("<QQ", data)))
                elif flags & 2:
                    raise WeightsError("it has parts that objects share; write it again with Keras")
                elif kind:
                    yield kind, data

    def _children(self, symbols: memoryview) -> dict[str, Hdf5Group | Hdf5Array]:
        tree, heap = struct.unpack_from("<QQ", symbols)
        _, _, names = self._unpack("<QQQ", heap + 8)
        children = {}
        for name_offset, address, link_kind in self._entries(tree, 0):
            name = self._text_at(names + name_offset)
            if link_kind == 2:
                raise WeightsError(f"{shown(name)} refers to another place; do not use this file")
            if name in children:
                raise WeightsError(f"two parts of it are called {shown(name)}; do not use this file")
            children[name] = self._object(address)
        return children

    def _entries(self, address: int, depth: int) -> Iterator[tuple[int, int, int]]:
        """Yield the position of the name, the address and the kind of link of each object of a group."""
        self._visit()
        if self._piece(address, 4) == b"SNOD":
            (count,) = self._unpack("<H", address + 6)
            for index in range(count):
                self._visit()
                yield self._unpack("<QQI", address + 8 + 40 * index)
            return
        magic, kind, _, count = self._unpack("<4sBBH", address)
        if magic != b"TREE" or kind != 0 or depth > 8:
            raise WeightsError("a group of it is garbled; download it again")
        for index in range(count):
            yield from self._entries(self._unpack("<Q", address + 32 + 16 * index)[0], depth + 1)

    def _text_at(self, start: int) -> str:
        piece = bytes(self._content[start : start + 1024])
        return piece[: piece.index(0)].decode("utf-8")

    def _array(self, kinds: dict[int, memoryview], attributes: dict[str, list[str]]) -> Hdf5Array:
        if not {_DATASPACE, _DATATYPE, _LAYOUT} <= kinds.keys() or {_EXTERNAL, _FILTERS} & kinds.keys():
            raise WeightsError("an array of it is compressed or in another file; write it again with Keras")
        shape, kind = _shape(kinds[_DATASPACE]), _type(kinds[_DATATYPE])
        version, layout, address, size = struct.unpack_from("<BBQQ", kinds[_LAYOUT])
        if version not in (3, 4) or layout != _CONTIGUOUS:
            raise WeightsError("an array of it is in chunks; write it again with Keras")
        if size != math.prod(shape) * kind.size:
            raise WeightsError("an array of it has more or fewer values than its shape; download it again")
        content = memoryview(bytes(size)) if address == _NOWHERE and not size else self._piece(address, size)
        return Hdf5Array(shape, kind.dtype, content, attributes)

    def _attribute(self, data: memoryview) -> tuple[str, list[str]]:
        """Return an attribute's name and its texts, none if it is not of text."""
        version, _, *sizes = struct.unpack_from("<BBHHH", data)
        if version not in (1, 3):
            raise WeightsError("an attribute of it is garbled; download it again")
        position, parts = (8 if version == 1 else 9), []
        for size in sizes:
            parts.append(data[position : position + size])
            position += -(-size // 8) * 8 if version == 1 else size
        name = bytes(parts[0]).split(b"\0")[0].decode("utf-8")
        kind, shape = _type(parts[1]), _shape(parts[2])
        count = math.prod(shape)
        if kind.kind not in (_STRING, _VARIABLE) or not count or kind.size > MAX_NAME:
            return name, []
        values = data[position:]
        if count * kind.size > len(values) or not kind.size:
            raise WeightsError(f"its attribute {shown(name)} is garbled; download it again")
        pieces = [values[index * kind.size : (index + 1) * kind.size] for index in range(count)]
        texts = map(self._heap_text, pieces) if kind.kind == _VARIABLE else map(bytes, pieces)
        return name, [text.rstrip(b"\0").decode("utf-8", "replace") for text in texts]

    def _heap_text(self, reference: memoryview) -> bytes:
        """Return a text of variable length: its size, and the address of a heap and its number there."""
        length, address, number = struct.unpack_from("<IQI", reference)
        if not 0 < length <= MAX_NAME:  # the configuration of a model is long
            return b""
        magic, _, size = self._unpack("<4s4sQ", address)
        position, end = address + 16, address + size
        while magic == b"GCOL" and position + 16 <= end:
            self._visit()
            index, _, _, item_size = self._unpack("<HHIQ", position)
            if index == number:
                return bytes(self._piece(position + 16, min(length, item_size)))
            position += 16 + -(-item_size // 8) * 8
        raise WeightsError("a text of it is missing; download it again")


def _shape(data: memoryview) -> tuple[int, ...]:
    version, rank = data[0], data[1]
    if version not in (1, 2):
        raise WeightsError("a shape in it is garbled; download it again")
    return checked_shape(struct.unpack_from(f"<{rank}Q", data, 8 if version == 1 else 4), "an array")


def _type(data: memoryview) -> _Type:
    kind, bits, size = data[0] & 15, data[1], struct.unpack_from("<I", data, 4)[0]
    order = ">" if bits & 1 else "<"
    if kind == _FLOAT and size in _EXPONENT_BITS and data[13] == _EXPONENT_BITS[size]:
        return _Type(kind, size, np.dtype(f"{order}f{size}"))
    if kind == _INTEGER and size in (1, 2, 4, 8):
        return _Type(kind, size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"))
    return _Type(kind, size, None)
