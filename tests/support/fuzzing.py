"""Damaged input: the kinds of damage, and the number of cases."""

import os

FACTOR = int(os.environ.get("FUZZ", "1"))  # FUZZ=50 python -m pytest ...: fifty times as long


def often(count):
    """Return `count`, times FUZZ if that is set."""
    return count * FACTOR


def damaged(whole, rng):
    """Damage bytes: flip, cut, remove, repeat, insert foreign bytes, or zero a piece."""
    data = bytearray(whole)
    start, stop = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    way = rng.integers(0, 6)
    if way == 0:
        for position in rng.integers(0, len(data), rng.integers(1, 9)):
            data[position] = rng.integers(0, 256)
    elif way == 1:
        del data[start:]
    elif way == 2:
        del data[start:stop]
    elif way == 3:
        data[stop:stop] = data[start:stop]
    elif way == 4:
        data[start:start] = rng.bytes(rng.integers(1, 40))
    else:
        data[start:stop] = bytes(stop - start)
    return bytes(data)
