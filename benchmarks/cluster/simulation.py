"""How long a step of N workers takes, computed from parts that were measured with few of them.

Every worker computes the same number of images, however many there are. A bucket of gradients leaves when the
backward pass has made it. It goes through two things in turn: the worker's processor, which copies, adds and packs
what is sent and computes nothing else meanwhile, and the network, which carries one bucket after the other. The
rounds of a ring delay a bucket, but others travel in these pauses.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Bucket(NamedTuple):
    """What is summed at once."""

    ready: float  # seconds after the step's beginning
    size: int  # bytes


class Network(NamedTuple):
    """The connection from each worker to the next one, which asks for each piece."""

    bandwidth: float  # bytes per second
    latency: float  # seconds of a round trip, as `ping` shows it


class Parts(NamedTuple):
    """What is measured: a step of one worker, and the cost of its sums."""

    compute: float  # seconds of a step without other workers
    buckets: Sequence[Bucket]
    handling: float  # seconds of the processor for each byte that a worker sends


def sent_bytes(size: int, workers: int) -> float:
    """Return what a worker of a ring sends to sum `size` bytes: the smallest possible number."""
    return 2 * (workers - 1) / workers * size


def step_seconds(parts: Parts, workers: int, network: Network) -> float:
    """Return the duration of a step of so many workers.

    The updates of the variables, which follow the last bucket, follow its sum.
    """
    buckets = sorted(parts.buckets)
    busy = free = end = 0.0
    for ready, size in buckets:
        sent = sent_bytes(size, workers)
        busy += parts.handling * sent  # the backward pass is later by that
        free = max(ready + busy, free) + sent / network.bandwidth
        end = max(end, free + 2 * (workers - 1) * network.latency)
    return end + parts.compute - buckets[-1].ready


def efficiency(parts: Parts, workers: int, network: Network) -> float:
    """Return the rate of so many workers over so many times the rate of one."""
    return parts.compute / step_seconds(parts, workers, network)
