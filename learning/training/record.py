"""Write the record of a run: its tables, its log and the learning curves."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from datasets.errors import escape_name
from datasets.splits import Splits
from datasets.storage.atomic import append_csv, keep_lines, write_csv
from learning.callbacks import Callback, Training
from learning.config.run_config import RunConfig
from learning.runs import data as run_data
from learning.runs.directory import HISTORY_FILE, RunDirectory
from learning.runs.files import TIMING_FILE
from models.convnet import ConvNet

LOG_FILE, CURVES_FILE = "log.txt", "learning_curves.png"
CURVES_INTERVAL = 60.0  # seconds between drawings


class RunRecord(Callback):
    """Records options, machines and the messages so far in the run directory, after all checks have passed.

    A resumed run may have more epochs than before.
    """

    def __init__(self, run: RunDirectory, config: RunConfig, said: Sequence[str]) -> None:
        self._run, self._config, self._said = run, config, said

    def on_start(self, training: Training) -> None:
        self._run.update(self._config, [dict(machine) for machine in training.machines])
        write_log(training.save_dir, "\n".join(self._said))


class History(Callback):
    """Writes history.csv, equal for equal runs, and what depends on the clock: timing.csv and log.txt."""

    def on_start(self, training: Training) -> None:
        """Drop the epochs that a resumed run repeats because their checkpoint is damaged."""
        if training.resumed:
            for name in (HISTORY_FILE, TIMING_FILE, LOG_FILE):
                keep_lines(training.save_dir / name, lambda line: _is_of_epoch(line, training.epoch))

    def on_epoch(self, training: Training) -> None:
        timing = {
            "epoch": training.epoch,
            "seconds": round(training.seconds, 3),
            "images_per_second": round(training.images_per_second, 1),
        }
        append_csv(training.save_dir / TIMING_FILE, timing)
        write_log(training.save_dir, epoch_line(training))
        write_csv(training.save_dir / HISTORY_FILE, training.history)

    def on_stop(self, training: Training) -> None:
        """Write the whole history: a kill may have come between the last checkpoint and its row."""
        if training.stopped == "finished":
            write_csv(training.save_dir / HISTORY_FILE, training.history)


def write_log(folder: Path, text: str) -> None:
    """Append the lines of a text to log.txt, each with the time."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    with (folder / LOG_FILE).open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.writelines(f"{now}  {line}\n" for line in text.splitlines())


def summary_lines(
    config: RunConfig, model: ConvNet, splits: Splits, path: Path, num_workers: int
) -> list[str]:
    """Return lines that say what is trained, on which data, and where."""
    info = run_data.run_info(splits, model.input_shape)
    sizes = ", ".join(f"{count} {name}" for name, count in info["num_images"].items())
    classes = splits.class_names
    names = ", ".join(map(escape_name, classes[:10])) + (", ..." if len(classes) > 10 else "")
    shape, image_shape = ("x".join(map(str, sides)) for sides in (model.input_shape, config.data.image_sides))
    frozen = sum(variable.shape.num_elements() for variable in model.frozen_variables)
    parameters = f"{model.num_parameters + frozen:,} parameters"
    if frozen:
        parameters += f", {frozen:,} of them frozen"
    start = "" if config.model.init else ", from random weights"
    together = "" if num_workers == 1 else f", by {num_workers} workers"
    resized = f"resized to {image_shape} ({config.data.resize})"
    return [
        f"data   {config.data.name}: {sizes} images, {len(classes)} classes ({names}), {resized}",
        f"model  {config.model.name}: {parameters}, input {shape}, {config.model.precision}{start}",
        f"run    {path}{together}",
    ]


def epoch_line(training: Training) -> str:
    """Return the line that people read about the last epoch."""
    row = training.history[-1]
    val = "" if row["val_score"] is None else f"  val {row['val_score']:.4f}"
    best = "  best" if training.improved and training.config.train.select == "best" else ""
    return (
        f"epoch {row['epoch']:>3}  loss {row['train_loss']:.4f}  batch {row['train_score']:.4f}{val}"
        f"  lr {row['learning_rate']:.2g}  {training.images_per_second:.0f} images/s"
        f"  {training.seconds:.1f} s{best}"
    )


def _is_of_epoch(line: str, last: int) -> bool:
    """Return whether a line of the tables or of log.txt is whole and not of an epoch after `last`."""
    found = re.match(r"(\d+),|.*?  epoch +(\d+)  ", line)
    return line.endswith("\n") and (found is None or int(found[1] or found[2]) <= last)


class LearningCurves(Callback):
    """Draws learning_curves.png when training has finished, and about once a minute before."""

    def on_start(self, training: Training) -> None:
        self._last_drawing = time.perf_counter()

    def on_epoch(self, training: Training) -> None:
        """Draw if the last drawing is old and there are at least two epochs."""
        if time.perf_counter() - self._last_drawing > CURVES_INTERVAL and len(training.history) > 1:
            self._draw(training)

    def on_stop(self, training: Training) -> None:
        if training.stopped == "finished" and training.history:
            self._draw(training)

    def _draw(self, training: Training) -> None:
        from learning.pictures.loss_names import training_loss_name
        from learning.pictures.plots import draw_learning_curves  # importing matplotlib takes a while

        draw_learning_curves(
            training.history,
            training.save_dir / CURVES_FILE,
            best_epoch=training.best_epoch or None,
            metric=training.config.train.evaluator,
            training_loss=training_loss_name(training.config),
        )
        self._last_drawing = time.perf_counter()
