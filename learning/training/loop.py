"""The training loop: batches in, updates, scores at the end of each epoch, checkpoints, and an exact resume."""

import contextlib
import logging
import math
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from learning.config.run_config import RunConfig
from learning.distributed.alone import ALONE, Alone
from learning.distributed.cluster import resume_command
from learning.errors import (
    CheckpointError,
    ClusterError,
    DirectoryInUseError,
    Interrupted,
    NonFiniteError,
)
from learning.evaluators import Evaluator, cross_entropy
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
from models.runtime.tensorflow_paths import is_plain

FAILED = -1  # what a worker tells the others instead of a signal's number, after an error of its own

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class TrainingLoop:
    """One call of `Optimizer.train`.

    :ivar state: where training stands; checkpoints hold it.
    """

    sess: v1.Session
    save_dir: Path
    model: ConvNet
    step: TrainingStep
    train_set: DataSet
    val_set: DataSet | None  # scored at the end of each epoch, or else the epoch's last minibatch is
    evaluator: Evaluator
    config: RunConfig
    optimizer: str  # name of its class; a resumed run must have the same one
    schedule: Schedule
    update_learning_rate: Callable[[], None]  # called when an epoch is scored
    callbacks: Sequence[Callback]
    say: Callable[[str], None]  # shows lines on standard output, for the callbacks
    workers: Alone = ALONE  # who train together; of these, the chief alone has callbacks and writes files

    def __post_init__(self) -> None:
        train = self.config.train
        self.store = CheckpointStore(self.save_dir, train.keep_checkpoints, train.select)
        self.steps_per_epoch = self.train_set.num_examples // train.batch_size
        self.total_steps = train.num_epochs * self.steps_per_epoch
        self.fixed = fixed_of(
            self.config,
            self.total_steps,
            optimizer=self.optimizer,
            model=self.model,
            train_set=self.train_set,
            val_set=self.val_set,
            evaluator=self.evaluator,
        )
        self.state = TrainingState(best_score=float(self.evaluator.worst_score), fixed=self.fixed)
        self._watchers = Watchers(self.callbacks, self._snapshot)
        self._clock = EpochClock(train.batch_size)
        self._loss = self._rate = math.nan  # of the last update
        self._improved, self._resumed = False, False
        self._trace, self._step_stats = False, None
        self._stops: tuple[int, ...] = ()  # of all workers, in the last update
        self._rows: tuple[Mapping[str, Any], ...] = ()  # the history, read-only

    def run(self, *, resume: bool, fresh: bool | None) -> None:
        """Start or resume, and train until the configured end. See `Optimizer.train` for what is raised."""
        with hold(self.save_dir) if self.workers.is_chief else contextlib.nullcontext():
            # A run that was killed before its first checkpoint starts again.
            has_begun = bool(self.store.steps()) or (self.save_dir / HISTORY_FILE).exists()
            if self.workers.from_chief(resume and has_begun):
                self._resume()
            else:
                self._start(fresh)
            self.workers.copy_variables(self.sess, self.step.saved_variables)
            self.workers.begin()
            if not is_plain(self.save_dir):
                logger.warning(
                    "%s contains characters that TensorFlow's own Saver treats as a pattern; this project reads "
                    "the run, but tf.compat.v1.train.Saver may not find its model.ckpt; choose a plain path for "
                    "that", self.save_dir,
                )  # fmt: skip
            self._note_machine()
            self._resumed = resume
            with self.model.graph.as_default(), SignalGuard() as signals, self._watchers.watching():
                self._train(signals)

    def _train(self, signals: SignalGuard) -> None:
        """Train to the end, or until a signal comes or a callback fails."""
        train = self.config.train
        rows = self.workers.rows
        with Prefetcher(self.train_set, train.batch_size, augment=train.augment_train, rows=rows) as batches:
            self._clock.start()
            while not self._finished():
                saved = self._advance(batches, signals)
                stop = self.workers.stop(self._own_stop(signals), self._stops)
                if not stop:
                    continue
                if not saved:
                    self._save()
                self.workers.part()
                self._watchers.raise_failure()
                raise self._stopped(stop)
        self.workers.part()

    def _own_stop(self, signals: SignalGuard) -> int:
        """Return the signal that came to this process, FAILED after the error of a callback, or 0."""
        return signals.received or (0 if self._watchers.failure is None else FAILED)

    def _stopped(self, stop: int) -> Exception:
        """Return the error that says why training stops before its end."""
        after = f"after {self.state.global_step} updates, all saved"
        if stop == FAILED:
            return ClusterError(f"another worker stopped training {after}, because of an error that it names")
        command = resume_command(self.save_dir, self.workers.size, os.environ)
        what = f"stopped by {signal.Signals(stop).name} {after}"
        message = f"{what}; continue with {command} (in a program: resume=True)"
        return Interrupted(stop, message if self.workers.is_chief else "")

    def _start(self, fresh: bool | None) -> None:
        """Initialise the variables, but keep the model's that have values in the session unless `fresh`."""
        if self.workers.is_chief and self.store.steps():
            raise DirectoryInUseError(
                f"{self.save_dir} already holds a run; resume it, or choose another directory"
            )
        self.train_set.cursor = {"epochs_completed": 0, "index_in_epoch": 0}
        num_kept = self.step.start(self.sess, fresh=bool(fresh))
        if num_kept and fresh is None:
            logger.warning(
                "training starts from the values that %d of the model's %d variables have in the session; "
                "train(..., fresh=True) starts from initial ones",
                num_kept, len(self.model.variables),
            )  # fmt: skip

    def _resume(self) -> None:
        """Restore the newest checkpoint; the chief reads it for all workers."""
        state = self._read_newest() if self.workers.is_chief else self.state
        state = TrainingState.from_json(self.workers.from_chief(state.to_json()), str(self.save_dir))
        try:
            self.schedule.restore(state.schedule)
            self.train_set.cursor = state.cursor
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"cannot resume {self.save_dir}: {error}") from error
        self.state = state
        if self.workers.is_chief:
            self.store.losses.fetch(state)
            with storage_errors(self.save_dir, state.global_step):
                self.store.clean()
                self.store.set_damaged_aside(state)
                self.store.link_selected(state)
        else:
            self.step.start(self.sess, fresh=False)

    def _read_newest(self) -> TrainingState:
        """Restore the variables of the newest checkpoint, and return its state."""
        state = self.store.newest_state()
        if differing := differences(self.fixed, state.fixed):
            raise CheckpointError(
                f"{self.save_dir} was trained differently: {'; '.join(differing)}; "
                "resume with the same options and data"
            )
        restore(self.sess, self.step.saved_variables, self.store.path(state.global_step), exact=True)
        return state

    def _note_machine(self) -> None:
        """Record the machine that computes the next updates, and warn if it differs from the last one."""
        if self._finished():
            return
        advise_kernels()
        check_precision(str(self.model.options["precision"]))
        now = machine(self.sess) | {"workers": self.workers.size}
        if differing := note_machine(self.state.machines, now, self.state.global_step):
            logger.warning(
                "resuming %s under different conditions (%s): the result will not be identical to the bit to "
                "that of an uninterrupted run",
                self.save_dir, "; ".join(differing),
            )  # fmt: skip

    def _finished(self) -> bool:
        at_epoch_end = self.state.global_step % self.steps_per_epoch == 0
        stopped = self.config.schedule.should_stop(self.state.epoch - self.state.best_epoch)
        return (at_epoch_end and stopped) or self.state.global_step >= self.total_steps

    def _advance(self, batches: Prefetcher, signals: SignalGuard) -> bool:
        """Make one update and what is due after it; return whether a checkpoint was written."""
        labels, pred = self._step(batches, self._own_stop(signals))
        self._watchers.tell("on_step")
        if self.state.global_step % self.steps_per_epoch == 0:
            self._end_epoch(labels, pred)
            self._save()
            self._watchers.tell("on_epoch")
            self._clock.start()
            return True
        every = self.config.train.save_every_steps
        if every is not None and self.state.global_step % every == 0:
            self._save()
            return True
        return False

    def _step(self, batches: Prefetcher, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Make one update, and tell the other workers to `stop`; return the own labels and predictions."""
        images, labels, cursor = next(batches)
        rate = self.schedule.learning_rate(self.state.global_step)
        trace, self._trace = self._trace, False
        update = self.step.run(self.sess, images, labels, rate, trace=trace, stop=stop)
        loss, pred, self._step_stats, self._stops = update
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the loss is {loss} at update {self.state.global_step + 1}, which was not saved; "
                f"start again with a lower init_learning_rate (the rate was {rate:g}) or with clip_norm"
            )
        self.state.global_step += 1
        self.state.cursor = cursor
        self.state.step_losses.append(float(loss))
        self._loss, self._rate = float(loss), rate
        self._clock.count_step()
        return labels, pred

    def _end_epoch(self, labels: np.ndarray, pred: np.ndarray) -> None:
        """Score the last minibatch and the validation set, and update the learning rate."""
        state, train = self.state, self.config.train
        labels, pred = (self.workers.gather(part, train.batch_size) for part in (labels, pred))
        step_score = float(self.evaluator.score(one_hot(labels, self.model.num_classes), pred))
        eval_score, eval_loss = (None, None) if self.val_set is None else self._validate(self.val_set)
        score = step_score if eval_score is None else eval_score
        threshold = train.score_threshold
        self._improved = bool(self.evaluator.is_better(score, state.best_score, score_threshold=threshold))
        rate = self.schedule.learning_rate(state.global_step - 1)
        state.end_epoch(
            step_score, eval_score, rate, self.steps_per_epoch, improved=self._improved, eval_loss=eval_loss
        )
        self.update_learning_rate()

    def _validate(self, val_set: DataSet) -> tuple[float, float | None]:
        """Return the score of the validation set, and its cross-entropy, see `cross_entropy`."""
        train = self.config.train
        own_pred = self.model.predict(
            self.sess,
            self.workers.part_of(val_set),
            batch_size=train.batch_size,
            augment_pred=train.augment_pred,
        )
        pred = self.workers.gather(own_pred, val_set.num_examples)
        labels = one_hot(val_set.labels, self.model.num_classes)
        return float(self.evaluator.score(labels, pred)), cross_entropy(labels, pred)

    def _save(self) -> None:
        """Write a checkpoint, unless a variable is not finite."""
        if (name := self.step.non_finite(self.sess)) is not None:
            raise NonFiniteError(
                f"NaN or Inf in the variable {name} after update {self.state.global_step}, which "
                "was not saved; start again with a lower init_learning_rate or with clip_norm"
            )
        self.state.schedule = self.schedule.state()
        self.workers.agree_on_values(self.sess, self.step.saved_variables)
        if self.workers.is_chief:
            self.store.save(self.sess, self.step.saver, self.state)

    def _snapshot(self, stopped: Stopped) -> Training:
        """Return what the callbacks see now."""
        state = self.state
        if len(self._rows) != len(state.history):
            self._rows = tuple(map(MappingProxyType, state.history))
        return Training(
            save_dir=self.save_dir,
            sess=self.sess,
            model=self.model,
            config=self.config,
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
            say=self.say,
            trace_next_step=self._trace_next_step,
        )

    def _trace_next_step(self) -> None:
        self._trace = True
