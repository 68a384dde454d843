"""Watch training: a callback logs, draws, measures, notifies, or stops training by an exception.

This one prints the loss of every update:

    class PrintLoss(Callback):
        def on_step(self, training):
            training.say(f"update {training.global_step}: loss {training.loss:.4f}")

    optimizer.train(sess, "runs/mine", callbacks=[PrintLoss()])

Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from learning.config.run_config import RunConfig

if TYPE_CHECKING:
    import tensorflow.compat.v1 as v1

    from models.convnet import ConvNet


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """A read-only snapshot of training, which a callback may keep."""

    save_dir: Path  # the run's directory, where a callback may write its own files
    sess: v1.Session  # a callback may read variables and run ops that change nothing
    model: ConvNet  # its `predict` may be called at any time
    config: RunConfig
    resumed: bool  # whether this call of `train` resumes a run
    steps_per_epoch: int
    total_steps: int  # updates of the whole run, unless it stops early
    global_step: int  # updates so far
    epoch: int  # epochs so far, scored and saved
    loss: float  # of the last update, NaN before the first one of this call
    learning_rate: float  # of the last update, NaN before the first one of this call
    images_per_second: float  # of the updates in the current epoch, without its scores and checkpoint
    seconds: float  # since the current epoch began; in `on_epoch`, of the whole epoch
    # A row for each epoch with epoch, step, learning_rate, train_loss, train_score (of the last minibatch) and
    # val_score and val_loss, the cross-entropy (both None without a validation set, val_loss also if `pred` is not
    # made of probabilities, and missing if an earlier version began the run).
    history: tuple[Mapping[str, Any], ...]
    improved: bool  # whether the last epoch has the best score so far
    best_epoch: int  # the epoch of the best score, 0 before there is one
    machines: tuple[Mapping[str, Any], ...]  # of the run, as `learning.machine.identity` describes them
    # None while training goes on. "finished" after the last update, "interrupted" by a signal, "failed" after an
    # error. In `on_start`, "finished" if there is nothing left to train.
    stopped: Literal["finished", "interrupted", "failed"] | None
    step_stats: Any  # TensorFlow's StepStats if `trace_next_step` was called before this update, else None
    say: Callable[[str], None]  # show lines on standard output if training is verbose
    trace_next_step: Callable[[], None]  # let TensorFlow trace the next update; its numbers stay the same

    @property
    def score(self) -> float:
        """Return the score of the last epoch: of the validation set or, without one, of the last minibatch."""
        row = self.history[-1]
        return float(row["train_score"] if row["val_score"] is None else row["val_score"])


class Callback:
    """Watches one call of `Optimizer.train` or `fit`. A subclass overrides the methods that it needs.

    Callbacks are called in their order, after those of the project. A callback must not change variables or draw
    from the training set, so that a run has the same numbers with and without it and can be resumed exactly.

    An exception in a callback ends training, but the checkpoint comes first: the other callbacks are called, the
    epoch is scored if this was its last update, the state is saved, and then the exception is raised with its own
    traceback. The run can be resumed, so an exception is also the way to stop training early. A failure of storage,
    such as a full disk, is raised as StorageError. An exception in `on_start` ends it before the first update.
    """

    def on_start(self, training: Training) -> None:
        """Called before the first update, when the variables have their initial or restored values."""

    def on_step(self, training: Training) -> None:
        """Called after every update; at the end of an epoch, before its scores."""

    def on_epoch(self, training: Training) -> None:
        """Called after every epoch, once it is scored and its checkpoint is saved."""

    def on_stop(self, training: Training) -> None:
        """Called once at the end: training finished, was interrupted, or failed, perhaps in an `on_start`.

        If training failed, an exception raised here is only logged.
        """
