"""Check the index of a checkpoint before TensorFlow reads it: an entry that it cannot parse ends the whole process.

An index is a table in LevelDB's format: blocks of sorted keys and values, a block that says where these are, and a
footer. Its values are protocol buffers: a header, and one entry for each tensor.
"""

from collections.abc import Iterator

from tensorflow.core.protobuf import tensor_bundle_pb2

from models.weights.errors import WeightsError
from models.weights.readers.limits import MAX_TENSORS, checked_shape, shown

_FOOTER_BYTES = 48
MAX_INDEX_BYTES = 64 * 2**20  # an index of 1,000 tensors has 50,000


def check_index(content: bytes) -> None:
    """Check that every entry of an index is one of a tensor.

    :param content: the file PREFIX.index.
    :raises WeightsError: an entry is not one. A garbled table may raise any other exception; its checksums are
        left to TensorFlow.
    """
    footer = content[-_FOOTER_BYTES:]
    *_, position = _handle(footer, 0)  # of the block of facts about the table, of which there are none
    start, size, _ = _handle(footer, position)
    num_entries = 0
    for _, handle in _items(_block(content, start, size)):
        start, size, _ = _handle(handle, 0)
        for name, value in _items(_block(content, start, size)):
            num_entries += 1
            if num_entries > 4 * MAX_TENSORS:
                raise WeightsError("its index has too many tensors; do not use this checkpoint")
            if name:
                _check_entry(name.decode("utf-8", "replace"), value)


def _check_entry(name: str, value: bytes) -> None:
    entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)  # raises DecodeError
    if entry.shape.unknown_rank or entry.slices or min(entry.offset, entry.size) < 0:
        raise WeightsError(
            f"its index has an entry for {shown(name)} that is not a whole tensor; write it in one part"
        )
    checked_shape([dim.size for dim in entry.shape.dim], name)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, and the position behind it."""
    value = 0
    for shift in range(0, 64, 7):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise WeightsError("its index is garbled; copy it again")


def _handle(data: bytes, position: int) -> tuple[int, int, int]:
    """Return where a block begins and its size, and the position behind them."""
    start, position = _varint(data, position)
    size, position = _varint(data, position)
    return start, size, position


def _block(content: bytes, start: int, size: int) -> bytes:
    """Return a block without the positions of its whole keys. Behind it are its kind, 0 if plain, and checksum."""
    block = content[start : start + size]
    if len(block) != size or size < 8 or content[start + size] != 0:
        raise WeightsError("its index is cut short or compressed; copy it again")
    num_restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 - 4 * num_restarts
    if num_restarts < 1 or end < 0 or any(block[end : end + 4]):  # TensorFlow begins at the first of them
        raise WeightsError("its index is garbled; copy it again")
    return block[:end]


def _items(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values; a key begins with some bytes of the one before it."""
    position, key = 0, b""
    while position < len(block):
        num_shared, position = _varint(block, position)
        num_own, position = _varint(block, position)
        num_value, position = _varint(block, position)
        if num_shared > len(key) or position + num_own + num_value > len(block):
            raise WeightsError("its index is garbled; copy it again")
        key = key[:num_shared] + block[position : position + num_own]
        position += num_own + num_value
        yield key, block[position - num_value : position]
