"""Show training on standard output: a line for each epoch, and a progress bar in a terminal."""

import io
import logging
import sys
from collections.abc import Callable
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from learning.callbacks import Callback, Training
from learning.terminal.output import is_watched
from learning.training.record import epoch_line

logger = logging.getLogger(__name__)


class ConsoleProgress(Callback):
    """Shows a line for each epoch, and a bar if standard output is a terminal.

    :param verbose: False shows nothing.
    """

    def __init__(self, *, verbose: bool = True) -> None:
        self._verbose = verbose
        self._console = Console(file=cast(IO[str], _Shown()), highlight=False, emoji=False, soft_wrap=True)
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

    def say(self, text: str) -> None:
        if self._verbose:
            self._console.print(text, markup=False)

    def on_start(self, training: Training) -> None:
        fields: dict[str, Any] = {"epoch": 1, "loss": "-", "rate": 0.0, "speed": 0.0, "score": "-"}
        self._task = self._bar.add_task("train", total=training.total_steps, **fields)
        self._bar.start()
        if training.resumed:
            what = "was already finished" if training.stopped == "finished" else "goes on"
            self.say(f"the run {what} after {training.global_step} updates, {training.epoch} epochs")

    def on_step(self, training: Training) -> None:
        if not self._bar.disable:
            self._bar.update(
                self._task,
                completed=training.global_step,
                epoch=training.epoch + 1,
                loss=f"{training.loss:.4f}",
                rate=training.learning_rate,
                speed=training.images_per_second,
            )

    def on_epoch(self, training: Training) -> None:
        self.say(epoch_line(training))
        self._bar.update(self._task, score=f"{training.score:.4f}")

    def on_stop(self, training: Training) -> None:
        self._bar.stop()


class _Shown:
    """Standard output with unsupported characters escaped; after its first failure, nothing is written to it."""

    def __init__(self) -> None:
        self._stream = io.StringIO() if sys.stdout is None else sys.stdout
        self._failed = False

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"  # a program's own stream may have none
        self._try(self._stream.write, text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
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
