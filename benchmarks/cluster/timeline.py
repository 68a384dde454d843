"""Work out what a worker does during a step, from TensorFlow's trace."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.cluster.simulation import Bucket

SUM, TRANSFER = "CollectiveReduceV2", ""  # types of operations in a trace; transfers have none
Interval = tuple[float, float]


class Timeline(NamedTuple):
    """A step of a worker."""

    seconds: float
    waiting: float  # seconds during which a sum was in progress and nothing was computed
    buckets: tuple[Bucket, ...]


def timeline(stats: Any) -> Timeline:
    """Return the timeline of a traced step.

    :param stats: TensorFlow's StepStats of one worker.
    """
    nodes = [node for device in stats.dev_stats for node in device.node_stats]
    start = min(node.all_start_micros for node in nodes)

    def times(node: Any) -> Interval:
        begun = node.all_start_micros - start
        return begun / 1e6, (begun + node.all_end_rel_micros) / 1e6

    sums = [node for node in nodes if _operation(node) == SUM]
    working = [times(node) for node in nodes if _operation(node) not in (SUM, TRANSFER)]
    both = working + [times(node) for node in sums]
    buckets = tuple(Bucket(times(node)[0], _size(node)) for node in sums)
    return Timeline(max(end for _, end in both), covered(both) - covered(working), buckets)


def _operation(node: Any) -> str:
    """Return the type of an operation, from a label such as `gradients/sum = CollectiveReduceV2(a, b)`."""
    return str(node.timeline_label.partition(" = ")[2].partition("(")[0])


def _size(node: Any) -> int:
    """Return the bytes of the output of a sum, in float32."""
    return 4 * math.prod(side.size for side in node.output[0].tensor_description.shape.dim)


def covered(intervals: Iterable[Interval]) -> float:
    """Return the length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
