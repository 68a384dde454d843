"""The training loop: batches in, updates, scores at the end of each epoch, checkpoints, and an exact resume."""

import logging
import math
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from datasets.prefetch import Prefetcher
from learning.callbacks import Callback, Training
from learning.checkpoints.resume_rules import differences, fixed_of
from learning.checkpoints.saved_variables import restore
from learning.checkpoints.state import TrainingState
from learning.checkpoints.store import CheckpointStore
from learning.checkpoints.tensorflow_paths import is_plain
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError, DirectoryInUseError, Interrupted, NonFiniteError
from learning.evaluators import Evaluator
from learning.machine.identity import advise_kernels, machine, note_machine
from learning.machine.precision import check_precision
from learning.runs.directory import HISTORY_FILE
from learning.runs.lock import hold
from learning.schedules import Schedule
from learning.training.interrupts import SignalGuard
from learning.training.step import TrainingStep
from learning.training.watchers import EpochClock, Stopped, Watchers, storage_errors
from models.convnet import ConvNet
from models.inputs import one_hot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """What the loop trains: everything that it knows of an optimizer.

    :ivar val_set: scored at the end of each epoch; without it the epoch's last minibatch is.
    :ivar optimizer: name of the optimizer's class; a resumed run must have the same one.
    :ivar update_learning_rate: called when an epoch is scored; may change the rate of `schedule`.
    """

    model: ConvNet
    step: TrainingStep
    train_set: DataSet
    val_set: DataSet | None
    evaluator: Evaluator
    config: RunConfig
    optimizer: str
    schedule: Schedule
    update_learning_rate: Callable[[], None]


class TrainingLoop:
    """One call of `Optimizer.train`: a task, a session and a directory.

    :ivar state: where training stands; the loop's own, which checkpoints hold.
    """

    def __init__(
        self,
        task: TrainingTask,
        sess: v1.Session,
        save_dir: str | os.PathLike[str],
        callbacks: Sequence[Callback] = (),
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Prepare training from the initial state.

        :param say: shows lines to people, for the callbacks.
        """
        self.task, self.sess = task, sess
        train = task.config.train
        self.store = CheckpointStore(save_dir, train.keep_checkpoints, train.select)
        self.steps_per_epoch = task.train_set.num_examples // train.batch_size
        self.total_steps = train.num_epochs * self.steps_per_epoch
        self.fixed = fixed_of(
            task.config,
            self.total_steps,
            optimizer=task.optimizer,
            model=task.model,
            train_set=task.train_set,
            val_set=task.val_set,
            evaluator=task.evaluator,
        )
        self.state = TrainingState(best_score=float(task.evaluator.worst_score), fixed=self.fixed)
        self._watchers = Watchers(callbacks, self._snapshot)
        self._say = say
        self._clock = EpochClock(train.batch_size)
        self._loss = self._rate = math.nan  # of the last update
        self._improved, self._resumed = False, False
        self._trace, self._step_stats = False, None
        self._rows: tuple[Mapping[str, Any], ...] = ()  # the history, read-only

    def run(self, *, resume: bool, fresh: bool) -> None:
        """Start or resume, and train until the configured end. See `Optimizer.train` for what is raised."""
        with hold(self.store.save_dir):
            # A run that was killed before its first checkpoint starts again.
            untouched = not self.store.steps() and not (self.store.save_dir / HISTORY_FILE).exists()
            if resume and not untouched:
                self._resume()
            else:
                self._start(fresh)
            if not is_plain(self.store.save_dir):
                logger.warning(
                    "%s contains characters that TensorFlow's own Saver treats as a pattern; this project reads "
                    "the run, but tf.compat.v1.train.Saver may not find its model.ckpt; choose a plain path for "
                    "that",
                    self.store.save_dir,
                )
            self._note_machine()
            self._resumed = resume
            with self.task.model.graph.as_default(), SignalGuard() as signals, self._watchers.watching():
                self._train(signals)

    def _train(self, signals: SignalGuard) -> None:
        """Train to the end, to a signal, or to the failure of a callback."""
        train = self.task.config.train
        with Prefetcher(self.task.train_set, train.batch_size, augment=train.augment_train) as batches:
            self._clock.start()
            while not self._finished():
                saved = self._advance(batches)
                if self._watchers.failure is None and signals.received is None:
                    continue
                if not saved:
                    self._save()
                self._watchers.raise_failure()
                if signals.received is not None:
                    self._leave(signals.received)

    def _start(self, fresh: bool) -> None:
        """Begin with initial values, except for those that the session holds already."""
        if self.store.steps():
            raise DirectoryInUseError(
                f"{self.store.save_dir} already holds a run; resume it, or choose another directory"
            )
        self.task.train_set.cursor = {"epochs_completed": 0, "index_in_epoch": 0}
        num_kept = self.task.step.start(self.sess, fresh=fresh)
        if num_kept:
            logger.warning(
                "training starts from the values that %d of the model's %d variables have in the session; "
                "train(..., fresh=True) starts from initial ones",
                num_kept, len(self.task.model.variables),
            )  # fmt: skip

    def _resume(self) -> None:
        """Restore the newest checkpoint."""
        state = self.store.newest_state()
        differing = differences(self.fixed, state.fixed)
        if differing:
            raise CheckpointError(
                f"{self.store.save_dir} was trained otherwise: {'; '.join(differing)}; "
                "resume with the same options and data"
            )
        restore(self.sess, self.task.step.saved_variables, self.store.path(state.global_step), exact=True)
        try:
            self.task.schedule.restore(state.schedule)
            self.task.train_set.cursor = state.cursor
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"cannot resume {self.store.save_dir}: {error}") from error
        self.store.losses.fetch(state)
        self.state = state
        with storage_errors(self.store.save_dir, state.global_step):
            self.store.clean()
            self.store.set_damaged_aside(state)
            self.store.link_selected(state)

    def _note_machine(self) -> None:
        """Record the machine that computes the next updates, and warn if it differs from the last one."""
        if self._finished():
            return
        advise_kernels()
        check_precision(str(self.task.model.options["precision"]))
        differing = note_machine(self.state.machines, machine(self.sess), self.state.global_step)
        if differing:
            logger.warning(
                "resuming %s on a different machine (%s): the result will not be identical to the bit to that of "
                "one machine",
                self.store.save_dir, "; ".join(differing),
            )  # fmt: skip

    def _finished(self) -> bool:
        at_epoch_end = self.state.global_step % self.steps_per_epoch == 0
        stopped = self.task.config.schedule.should_stop(self.state.epoch - self.state.best_epoch)
        return (at_epoch_end and stopped) or self.state.global_step >= self.total_steps

    def _advance(self, batches: Prefetcher) -> bool:
        """Make one update and, if they are due, scores and a checkpoint; return whether one was written."""
        labels, pred = self._step(batches)
        self._watchers.tell("on_step")
        if self.state.global_step % self.steps_per_epoch == 0:
            self._end_epoch(labels, pred)
            self._save()
            self._watchers.tell("on_epoch")
            self._clock.start()
            return True
        every = self.task.config.train.save_every_steps
        if every is not None and self.state.global_step % every == 0:
            self._save()
            return True
        return False

    def _step(self, batches: Prefetcher) -> tuple[np.ndarray, np.ndarray]:
        """Make one update; return the minibatch's labels and predictions."""
        images, labels, cursor = next(batches)
        rate = self.task.schedule.learning_rate(self.state.global_step)
        trace, self._trace = self._trace, False
        loss, pred, self._step_stats = self.task.step.run(self.sess, images, labels, rate, trace=trace)
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the loss is {loss} at update {self.state.global_step + 1}, nothing of it was saved; "
                f"start again with a lower init_learning_rate (the rate was {rate:g}) or with clip_norm"
            )
        self.state.global_step += 1
        self.state.cursor = cursor
        self.state.step_losses.append(float(loss))
        self._loss, self._rate = float(loss), rate
        self._clock.count_step()
        return labels, pred

    def _end_epoch(self, labels: np.ndarray, pred: np.ndarray) -> None:
        """Score the last minibatch and the validation set, and let the learning rate follow."""
        task, state, train = self.task, self.state, self.task.config.train
        num_classes = task.model.num_classes
        step_score = float(task.evaluator.score(one_hot(labels, num_classes), pred))
        eval_score = None
        if task.val_set is not None:
            val_pred = task.model.predict(
                self.sess, task.val_set, batch_size=train.batch_size, augment_pred=train.augment_pred
            )
            eval_score = float(task.evaluator.score(one_hot(task.val_set.labels, num_classes), val_pred))
        score = step_score if eval_score is None else eval_score
        self._improved = bool(
            task.evaluator.is_better(score, state.best_score, score_threshold=train.score_threshold)
        )
        rate = task.schedule.learning_rate(state.global_step - 1)
        state.end_epoch(step_score, eval_score, rate, self.steps_per_epoch, improved=self._improved)
        task.update_learning_rate()

    def _save(self) -> None:
        """Write a checkpoint, unless a variable is not finite."""
        name = self.task.step.non_finite(self.sess)
        if name is not None:
            raise NonFiniteError(
                f"NaN or Inf in the variable {name} after update {self.state.global_step}, nothing of it "
                "was saved; start again with a lower init_learning_rate or with clip_norm"
            )
        self.state.schedule = self.task.schedule.state()
        self.store.save(self.sess, self.task.step.saver, self.state)

    def _leave(self, number: int) -> None:
        raise Interrupted(
            number,
            f"stopped by {signal.Signals(number).name} after {self.state.global_step} updates, all saved; "
            f"go on with --resume {self.store.save_dir}",
        )

    def _snapshot(self, stopped: Stopped) -> Training:
        """Return what the callbacks see now."""
        state = self.state
        if len(self._rows) != len(state.history):
            self._rows = tuple(map(MappingProxyType, state.history))
        return Training(
            save_dir=self.store.save_dir,
            sess=self.sess,
            model=self.task.model,
            config=self.task.config,
            resumed=self._resumed,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.total_steps,
            global_step=state.global_step,
            epoch=state.epoch,
            loss=self._loss,
            learning_rate=self._rate,
            images_per_second=self._clock.images_per_second,
            seconds=self._clock.seconds,
            history=self._rows,
            improved=self._improved,
            best_epoch=state.best_epoch,
            machines=tuple(map(MappingProxyType, state.machines)),
            stopped="finished" if self._finished() and stopped is None else stopped,
            step_stats=self._step_stats,
            say=self._say,
            trace_next_step=self._trace_next_step,
        )

    def _trace_next_step(self) -> None:
        self._trace = True
