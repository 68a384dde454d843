"""What training shows and logs: a bar and a line per epoch, history and timing as CSV, curves, TensorBoard."""

import contextlib
import io
import logging
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import tensorflow.compat.v1 as v1
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from datasets.storage.atomic import append_csv, keep_lines, write_csv
from learning.checkpoints.state import TrainingState
from learning.checkpoints.tensorflow_paths import plain_folder
from learning.terminal.output import is_watched

HISTORY_FILE = "history.csv"
CURVES_INTERVAL = 60.0  # seconds between drawings of the learning curves while training goes on

logger = logging.getLogger(__name__)


class _Shown:
    """Standard output as people see it: a letter that it lacks is escaped, and after a failure it is left alone."""

    def __init__(self) -> None:
        self._stream = io.StringIO() if sys.stdout is None else sys.stdout
        self._failed = False

    def write(self, text: str) -> int:
        """As of a stream."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"  # a program's own need not have one
        self._try(self._stream.write, text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """As of a stream."""
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, call: Callable[..., Any], *arguments: str) -> None:
        if self._failed:
            return
        try:
            call(*arguments)
        except (OSError, ValueError) as error:  # a full disk, a reader that left, a closed stream
            self._failed = True
            logger.warning("standard output cannot be written any more (%s); training goes on", error)


class Monitor:
    """Follows one call of `Optimizer.train`. Nothing that it does feeds back into training.

    :param save_dir: gets history.csv (exact: equal for equal runs), timing.csv (the clock's part),
        log.txt, learning_curves.png and, with `tensorboard`, event files.
    :param verbose: one line per epoch on stdout, and a bar where stdout is a terminal.
    """

    def __init__(
        self, save_dir: Path, total_steps: int, batch_size: int, *, verbose: bool, tensorboard: bool
    ):
        self.save_dir = save_dir
        self.batch_size = batch_size
        self._verbose = verbose
        self._console = Console(file=cast(IO[str], _Shown()), highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  lr {task.fields[rate]:.2g}"),
            TextColumn("{task.fields[speed]:.0f} images/s  score {task.fields[score]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (verbose and is_watched()),
        )
        fields: dict[str, Any] = {"epoch": 1, "loss": "-", "rate": 0.0, "speed": 0.0, "score": "-"}
        self._task = self._bar.add_task("train", total=total_steps, **fields)
        self._opened = contextlib.ExitStack()
        self._writer = None
        if tensorboard:
            self._writer = v1.summary.FileWriter(self._opened.enter_context(plain_folder(save_dir)))
            self._opened.callback(self._writer.close)
        self._last_drawing = time.perf_counter()
        self._warned = False

    def __enter__(self) -> "Monitor":
        self._bar.start()
        self._epoch_start = time.perf_counter()
        self._epoch_steps = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._opened.close()

    def on_resume(self, state: TrainingState, *, finished: bool) -> None:
        """Before the first update of a resumed run: the epochs after a damaged checkpoint come a second time."""
        for name in (HISTORY_FILE, "timing.csv", "log.txt"):
            keep_lines(self.save_dir / name, lambda line: _is_of_epoch(line, state.epoch))
        what = "was already finished" if finished else "goes on"
        self.tell(f"the run {what} after {state.global_step} updates, {state.epoch} epochs")

    def tell(self, text: str) -> None:
        """Show lines to people."""
        if self._verbose:
            self._console.print(text, markup=False)

    def on_step(self, state: TrainingState, loss: float, learning_rate: float) -> None:
        """After every update."""
        self._epoch_steps += 1
        if self._bar.disable:
            return
        speed = self._epoch_steps * self.batch_size / (time.perf_counter() - self._epoch_start)
        self._bar.update(
            self._task,
            completed=state.global_step,
            epoch=state.epoch + 1,
            loss=f"{loss:.4f}",
            rate=learning_rate,
            speed=speed,
        )

    def on_evaluation(self) -> None:
        """The epoch's last update is done, scoring begins."""
        self._train_seconds = time.perf_counter() - self._epoch_start

    def on_epoch(self, state: TrainingState, improved: bool) -> None:
        """After an epoch was scored and saved: the checkpoint comes before the log."""
        row = state.history[-1]
        seconds = time.perf_counter() - self._epoch_start
        speed = self._epoch_steps * self.batch_size / max(self._train_seconds, 1e-9)
        append_csv(
            self.save_dir / "timing.csv",
            {"epoch": row["epoch"], "seconds": round(seconds, 3), "images_per_second": round(speed, 1)},
        )
        score = row["train_score"] if row["val_score"] is None else row["val_score"]
        self._warn_of_nan(row["epoch"], score)
        line = _epoch_line(row, speed, seconds, improved)
        with (self.save_dir / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")
        self.tell(line)
        self._bar.update(self._task, score=f"{score:.4f}")
        self._write(state, row)
        self._epoch_start = time.perf_counter()
        self._epoch_steps = 0

    def _warn_of_nan(self, epoch: int, score: float) -> None:
        """Once: most evaluators are asked before training, but not every one can tell."""
        if math.isnan(score) and not self._warned:
            self._warned = True
            logger.warning(
                "the score of epoch %d is NaN: the evaluator has none for these labels and predictions; such an "
                "epoch is never the best; use another evaluator, or add images of the classes that are missing",
                epoch,
            )

    def finish(self, state: TrainingState) -> None:
        """Training has come to its end; a kill may have come between its last checkpoint and the log."""
        write_csv(self.save_dir / HISTORY_FILE, state.history)
        self._draw(state)

    def _write(self, state: TrainingState, row: dict[str, Any]) -> None:
        write_csv(self.save_dir / HISTORY_FILE, state.history)
        if self._writer is not None:
            values = {key: value for key, value in row.items() if isinstance(value, float)}
            summary = v1.Summary(value=[v1.Summary.Value(tag=k, simple_value=v) for k, v in values.items()])
            self._writer.add_summary(summary, row["step"])
            self._writer.flush()
        if time.perf_counter() - self._last_drawing > CURVES_INTERVAL and len(state.history) > 1:
            self._draw(state)

    def _draw(self, state: TrainingState) -> None:
        from learning.reports.plots import draw_learning_curves  # matplotlib takes a while to import

        if state.history:
            path = self.save_dir / "learning_curves.png"
            draw_learning_curves(state.history, path, best_epoch=state.best_epoch or None)
        self._last_drawing = time.perf_counter()


def _epoch_line(row: dict[str, Any], speed: float, seconds: float, improved: bool) -> str:
    val = "" if row["val_score"] is None else f"  val {row['val_score']:.4f}"
    return (
        f"epoch {row['epoch']:>3}  loss {row['train_loss']:.4f}  batch {row['train_score']:.4f}{val}"
        f"  lr {row['learning_rate']:.2g}  {speed:.0f} images/s  {seconds:.1f} s{'  best' if improved else ''}"
    )


def _is_of_epoch(line: str, last: int) -> bool:
    """Whether a line of the tables or of log.txt is whole and of no later epoch than `last`."""
    found = re.match(r"(\d+),|.*?  epoch +(\d+)  ", line)
    return line.endswith("\n") and (found is None or int(found[1] or found[2]) <= last)
