"""What one update spends its time on: a timeline for the browser, and a table of the costliest operations."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow.compat.v1 as v1
from tensorflow.python.client import timeline  # the only place where TensorFlow has it

from datasets.storage.atomic import write_csv, write_text

SHOWN = 10  # kinds of operations in the lines for people


class Cost(NamedTuple):
    """What the operations of one kind took together."""

    operation: str
    milliseconds: float
    calls: int


def run_traced(sess: v1.Session, fetches: list[Any], feed: dict[Any, Any]) -> tuple[list[Any], Any]:
    """`sess.run`, and what TensorFlow saw of every operation: its StepStats. Values are those of any other run."""
    metadata = v1.RunMetadata()
    options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
    values = sess.run(fetches, feed, options=options, run_metadata=metadata)
    return values, metadata.step_stats


def operations_file(folder: Path, step: int) -> Path:
    """Where the table of an update lies."""
    return folder / f"profile-{step}.operations.csv"


def write_profile(stats: Any, folder: Path, step: int) -> str:
    """Write profile-STEP.timeline.json and profile-STEP.operations.csv; the table's beginning for people.

    The timeline opens in chrome://tracing or ui.perfetto.dev. Operations run side by side: their times add up to
    more than the update took.
    """
    trace = timeline.Timeline(stats).generate_chrome_trace_format()
    write_text(folder / f"profile-{step}.timeline.json", trace)
    found = costs(node for device in stats.dev_stats for node in device.node_stats)
    total = sum(cost.milliseconds for cost in found)
    write_csv(
        operations_file(folder, step),
        [{**cost._asdict(), "share": cost.milliseconds / total} for cost in found],
    )
    return "\n".join(_lines(found, total))


def costs(nodes: Iterable[Any]) -> list[Cost]:
    """Time by kind of operation (Conv2D, Relu, ...), the costliest first.

    :param nodes: TensorFlow's NodeExecStats: of each operation its name, label and time in microseconds.
    """
    microseconds: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for node in nodes:
        kind = _kind(node)
        microseconds[kind] += node.op_end_rel_micros - node.op_start_rel_micros
        counts[kind] += 1
    found = [Cost(kind, time / 1000, counts[kind]) for kind, time in microseconds.items()]
    return sorted(found, key=lambda cost: -cost.milliseconds)


def _kind(node: Any) -> str:
    """Out of a label `name = Kind(inputs)`; the name where a label is of another form."""
    _, equals, call = node.timeline_label.partition(" = ")
    return call.partition("(")[0] if equals else str(node.node_name)


def _lines(found: list[Cost], total: float) -> list[str]:
    """The table for people."""
    rest = total - sum(cost.milliseconds for cost in found[:SHOWN])
    return [
        f"{'operation':<36}{'ms':>9}{'share':>8}{'calls':>7}",
        *(
            f"{cost.operation:<36}{cost.milliseconds:>9.1f}{cost.milliseconds / total:>8.1%}{cost.calls:>7}"
            for cost in found[:SHOWN]
        ),
        f"{'others':<36}{rest:>9.1f}{rest / total:>8.1%}",
    ]
