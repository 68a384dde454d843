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
    """A read-only snapshot of training, which a callback may keep.

    :ivar save_dir: the run's directory, where a callback may write its own files.
    :ivar sess: the session. A callback may read variables and run ops that change nothing.
    :ivar model: the network. Its `predict` may be called at any time.
    :ivar config: the options of the run.
    :ivar resumed: whether this call of `train` resumes a run.
    :ivar total_steps: updates of the whole run, unless it stops early.
    :ivar global_step: updates so far.
    :ivar epoch: epochs so far, scored and saved.
    :ivar loss: of the last update, NaN before the first one of this call.
    :ivar learning_rate: of the last update, NaN before the first one of this call.
    :ivar images_per_second: of the updates in the current epoch, without its scores and checkpoint.
    :ivar seconds: since the current epoch began; in `on_epoch`, of the whole epoch.
    :ivar history: a row for each epoch with epoch, step, learning_rate, train_loss, train_score (of the last
        minibatch) and val_score (None without a validation set).
    :ivar improved: whether the last epoch has the best score so far.
    :ivar best_epoch: the epoch of the best score, 0 before there is one.
    :ivar machines: the machines that computed the run, as `learning.machine.identity` describes them.
    :ivar stopped: None while training goes on. "finished" after the last update, "interrupted" by a signal,
        "failed" after an error. In `on_start`, "finished" if there is nothing left to train.
    :ivar step_stats: TensorFlow's StepStats of this update if `trace_next_step` was called before it, else None.
    :ivar say: show lines on standard output if training is verbose.
    :ivar trace_next_step: run the next update under TensorFlow's tracer, which changes none of its numbers.
    """

    save_dir: Path
    sess: v1.Session
    model: ConvNet
    config: RunConfig
    resumed: bool
    steps_per_epoch: int
    total_steps: int
    global_step: int
    epoch: int
    loss: float
    learning_rate: float
    images_per_second: float
    seconds: float
    history: tuple[Mapping[str, Any], ...]
    improved: bool
    best_epoch: int
    machines: tuple[Mapping[str, Any], ...]
    stopped: Literal["finished", "interrupted", "failed"] | None
    step_stats: Any
    say: Callable[[str], None]
    trace_next_step: Callable[[], None]

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
