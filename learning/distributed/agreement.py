"""Find out whether all workers train the same: each sends digests of what must be equal."""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DIGEST_BYTES = 6  # a float64 holds integers of up to 53 bits


def digest(value: Any) -> float:
    """Return a number that stands for a plain value, exactly in a float64."""
    text = json.dumps(value, sort_keys=True, default=str)
    return float(int.from_bytes(hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES], "big"))


def digests(facts: Mapping[str, Any]) -> list[float]:
    """Return a number for each fact, in the order of their names."""
    return [digest(facts[name]) for name in sorted(facts)]


def differing(facts: Mapping[str, Any], rows: np.ndarray) -> dict[int, list[str]]:
    """Return the workers that differ from the first one, and the names of the facts in which they do.

    :param rows: float64 (workers, facts), the `digests` of each.
    """
    found = {}
    for worker, row in enumerate(rows):
        names = [name for name, same in zip(sorted(facts), row == rows[0], strict=True) if not same]
        if names:
            found[worker] = names
    return found


def weights_digest(values: Sequence[np.ndarray]) -> int:
    """Return a checksum of variables, in order."""
    checksum = 0
    for value in values:
        checksum = zlib.crc32(np.ascontiguousarray(value).tobytes(), checksum)
    return checksum
