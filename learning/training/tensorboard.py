"""Write the scores of every epoch for TensorBoard."""

import contextlib

import tensorflow.compat.v1 as v1

from learning.callbacks import Callback, Training
from learning.checkpoints.tensorflow_paths import plain_folder


class TensorBoard(Callback):
    """Writes loss, scores and learning rate of every epoch to an event file in the run directory."""

    def __init__(self) -> None:
        self._opened = contextlib.ExitStack()

    def on_start(self, training: Training) -> None:
        """Open a new event file."""
        self._writer = v1.summary.FileWriter(self._opened.enter_context(plain_folder(training.save_dir)))
        self._opened.callback(self._writer.close)

    def on_epoch(self, training: Training) -> None:
        """Write the floats of the epoch's row at the step of its last update."""
        row = training.history[-1]
        values = [
            v1.Summary.Value(tag=key, simple_value=value)
            for key, value in row.items()
            if isinstance(value, float)
        ]
        self._writer.add_summary(v1.Summary(value=values), row["step"])
        self._writer.flush()

    def on_stop(self, training: Training) -> None:
        """Close the event file."""
        self._opened.close()
