"""Hostile pickles and tables, and small files of weights of each format that needs no other program."""

import contextlib
import pickle
import struct
import tracemalloc

import numpy as np


@contextlib.contextmanager
def taking_less_than(num_bytes):
    """Assert that Python and NumPy never hold so many bytes more in this block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < num_bytes
    finally:
        tracemalloc.stop()


class Gadget:
    """Calls a function when it is unpickled by the ordinary reader."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def npy_of_pickle(content):
    """A `.npy` of one object, whose pickle is `content`."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def object_npy(value, protocol=2):
    """What np.save writes of a dictionary."""
    holder = np.empty((), object)
    holder[()] = value
    return npy_of_pickle(pickle.dumps(holder, protocol))


def doubled(depth, close=b"l", start=b"]"):
    """Operations for a value that holds the one before it twice, so often; behind them it is `h` and its number.

    :param close: makes one of the two values: `l` a list, `t` a tuple.
    """
    steps = [b"(h%ch%c" % (number, number) + close + b"q%c" % (number + 1) for number in range(depth)]
    return start + b"q\0" + b"".join(steps), b"h%c" % depth


def _crc32c(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked_checksum(data):
    """The checksum that TensorFlow stores."""
    value = _crc32c(data)
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(number):
    low = number & 127
    return bytes([low | 128]) + _varint(number >> 7) if number > 127 else bytes([low])


def _block(items):
    block, starts = b"", []
    for key, value in items:
        starts.append(len(block))
        block += b"\0" + _varint(len(key)) + _varint(len(value)) + key + value
    starts = starts or [0]
    return block + struct.pack(f"<{len(starts) + 1}I", *starts, len(starts))


def table(items):
    """A table of TensorFlow with right checksums; the keys are sorted bytes."""
    content, handles = b"", []
    last_key = items[-1][0] + b"z"
    for block in (_block(items), _block([])):
        handles.append(_varint(len(content)) + _varint(len(block)))
        content += block + b"\0" + struct.pack("<I", masked_checksum(block + b"\0"))
    index = _block([(last_key, handles[0])])
    footer = handles[1] + _varint(len(content)) + _varint(len(index))
    content += index + b"\0" + struct.pack("<I", masked_checksum(index + b"\0"))
    return content + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
