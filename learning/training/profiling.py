"""Profile one update: a timeline for the browser, and a table of the costliest operations."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tensorflow.python.client import timeline  # the only place where TensorFlow has it

from datasets.storage.atomic import write_csv, write_text
from datasets.storage.failures import storage_errors
from learning.callbacks import Callback, Training
from learning.errors import UsageError

SHOWN = 10  # kinds of operations in the table that is shown


class Profiler(Callback):
    """Profiles one update.

    :param step: the update, counting from 1.
    """

    def __init__(self, step: int) -> None:
        self._step = step

    def on_start(self, training: Training) -> None:
        """Trace the update if it is the next one. UsageError if it is past and has no profile."""
        is_past = self._step <= training.global_step
        if is_past and not operations_file(training.save_dir, self._step).exists():
            raise UsageError(
                f"train.profile is {self._step}, and {training.global_step} updates are done; choose a later one"
            )
        self._trace_if_next(training)

    def on_step(self, training: Training) -> None:
        if training.global_step == self._step and training.step_stats is not None:
            step, folder = self._step, training.save_dir
            what = f"cannot write the profile of update {step} in {folder}"
            with storage_errors(folder, what, "make room, or resume with --train.profile null"):
                table = write_profile(training.step_stats, folder, step)
            training.say(f"update {step}, also in {operations_file(folder, step)}:\n{table}")
        self._trace_if_next(training)

    def _trace_if_next(self, training: Training) -> None:
        if training.global_step + 1 == self._step:
            training.trace_next_step()


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
    :return: the first rows of the table, to be shown.
    """
    trace = timeline.Timeline(stats).generate_chrome_trace_format()
    write_text(folder / f"profile-{step}.timeline.json", trace)
    found = costs(node for device in stats.dev_stats for node in device.node_stats)
    total = sum(cost.milliseconds for cost in found)
    rows = [{**cost._asdict(), "share": cost.milliseconds / total} for cost in found]
    write_csv(operations_file(folder, step), rows)
    return _table(found, total)


def costs(nodes: Iterable[Any]) -> list[Cost]:
    """Sum the time by kind of operation (Conv2D, Relu, ...), the costliest first.

    :param nodes: TensorFlow's NodeExecStats: name, label and time in microseconds of each operation.
    """
    times: dict[str, list[int]] = defaultdict(list)  # microseconds
    for node in nodes:
        times[_kind(node)].append(node.op_end_rel_micros - node.op_start_rel_micros)
    found = [Cost(kind, sum(micros) / 1000, len(micros)) for kind, micros in times.items()]
    return sorted(found, key=lambda cost: -cost.milliseconds)


def _kind(node: Any) -> str:
    """Read the kind from a label `name = Kind(inputs)`; return the name if the label has another form."""
    _, equals, call = node.timeline_label.partition(" = ")
    return call.partition("(")[0] if equals else str(node.node_name)


def _table(found: list[Cost], total: float) -> str:
    rows = [
        f"{cost.operation:<36}{cost.milliseconds:>9.1f}{cost.milliseconds / total:>8.1%}{cost.calls:>7}"
        for cost in found[:SHOWN]
    ]
    rest = total - sum(cost.milliseconds for cost in found[:SHOWN])
    header, others = f"{'operation':<36}{'ms':>9}{'share':>8}{'calls':>7}", f"{'others':<36}{rest:>9.1f}"
    return "\n".join([header, *rows, f"{others}{rest / total:>8.1%}"])
