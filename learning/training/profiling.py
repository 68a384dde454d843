"""Profile one update: a timeline for the browser, and a table of the costliest operations."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tensorflow.python.client import timeline  # the only place where TensorFlow has it

from datasets.storage.atomic import write_csv, write_text
from datasets.storage.failures import is_storage_failure, storage_reason
from learning.callbacks import Callback, Training
from learning.errors import StorageError, UsageError

SHOWN = 10  # kinds of operations in the table for people


class Profiler(Callback):
    """Profiles one update.

    :param step: the update, counting from 1.
    """

    def __init__(self, step: int) -> None:
        self._step = step

    def on_start(self, training: Training) -> None:
        """Let the update be traced if it is the next one. UsageError if it is past and has no profile."""
        is_past = self._step <= training.global_step
        if is_past and not operations_file(training.save_dir, self._step).exists():
            raise UsageError(
                f"train.profile is {self._step}, and {training.global_step} updates are done; choose a later one"
            )
        self._trace_if_next(training)

    def on_step(self, training: Training) -> None:
        """Write the profile of the update, or let it be traced if it is the next one."""
        if training.global_step == self._step and training.step_stats is not None:
            self._write(training)
        self._trace_if_next(training)

    def _trace_if_next(self, training: Training) -> None:
        if training.global_step + 1 == self._step:
            training.trace_next_step()

    def _write(self, training: Training) -> None:
        folder = training.save_dir
        try:
            table = write_profile(training.step_stats, folder, self._step)
        except OSError as error:
            if not is_storage_failure(error, folder):
                raise
            raise StorageError(
                f"cannot write the profile of update {self._step} in {folder}: {storage_reason(error, folder)}; "
                "make room, or resume with --train.profile null"
            ) from error
        training.say(f"update {self._step}, also in {operations_file(folder, self._step)}:\n{table}")


class Cost(NamedTuple):
    """The time of all operations of one kind."""

    operation: str
    milliseconds: float
    calls: int


def operations_file(folder: Path, step: int) -> Path:
    """Return the path of an update's table."""
    return folder / f"profile-{step}.operations.csv"


def write_profile(stats: Any, folder: Path, step: int) -> str:
    """Write profile-STEP.timeline.json and profile-STEP.operations.csv.

    The timeline opens in chrome://tracing or ui.perfetto.dev. Operations run in parallel, so their times add up to
    more than the update took.

    :param stats: TensorFlow's StepStats.
    :return: the first rows of the table, for people.
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
    """Sum the time by kind of operation (Conv2D, Relu, ...), the costliest first.

    :param nodes: TensorFlow's NodeExecStats: name, label and time in microseconds of each operation.
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
    """Read the kind from a label `name = Kind(inputs)`; return the name if the label has another form."""
    _, equals, call = node.timeline_label.partition(" = ")
    return call.partition("(")[0] if equals else str(node.node_name)


def _lines(found: list[Cost], total: float) -> list[str]:
    """Format the table for people."""
    rest = total - sum(cost.milliseconds for cost in found[:SHOWN])
    return [
        f"{'operation':<36}{'ms':>9}{'share':>8}{'calls':>7}",
        *(
            f"{cost.operation:<36}{cost.milliseconds:>9.1f}{cost.milliseconds / total:>8.1%}{cost.calls:>7}"
            for cost in found[:SHOWN]
        ),
        f"{'others':<36}{rest:>9.1f}{rest / total:>8.1%}",
    ]
