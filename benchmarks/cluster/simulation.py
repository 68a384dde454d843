"""Compute the duration of a step with N workers from parts that were measured with few of them.

Each worker computes the same number of images, however many workers there are. A bucket of gradients is sent as
soon as the backward pass has computed it. It first occupies the worker's processor, which copies, adds and packs
what is sent and computes nothing else meanwhile, and then the network, which carries one bucket at a time. The
rounds of a ring delay a bucket, but other buckets travel during these pauses.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Bucket(NamedTuple):
    """Gradients that are summed together."""

    ready: float  # seconds after the start of the step
    size: int  # bytes


class Network(NamedTuple):
    """The connection from each worker to the next one, which requests each piece."""

    bandwidth: float  # bytes per second
    latency: float  # seconds of a round trip, as `ping` shows it


class Parts(NamedTuple):
    """The measured parts: a step of one worker, and the cost of its sums."""

    compute: float  # seconds of a step without other workers
    buckets: Sequence[Bucket]
    handling: float  # the processor's seconds per byte that a worker sends


def sent_bytes(size: int, workers: int) -> float:
    """Return how many bytes a worker of a ring sends to sum `size` bytes; no method sends fewer."""
    return 2 * (workers - 1) / workers * size


def step_seconds(parts: Parts, workers: int, network: Network) -> float:
    """Return the duration of a step.

    The variables are updated after the last bucket; with several workers, after its sum.
    """
    buckets = sorted(parts.buckets)
    busy = free = end = 0.0
    for ready, size in buckets:
        sent = sent_bytes(size, workers)
        busy += parts.handling * sent  # which delays the backward pass
        free = max(ready + busy, free) + sent / network.bandwidth
        end = max(end, free + 2 * (workers - 1) * network.latency)
    return end + parts.compute - buckets[-1].ready


def efficiency(parts: Parts, workers: int, network: Network) -> float:
    """Return the efficiency: the rate of N workers over N times the rate of one."""
    return parts.compute / step_seconds(parts, workers, network)
