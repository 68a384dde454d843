"""The training loop: batches in, updates, scores at the end of each epoch, checkpoints, and an exact resume."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow.compat.v1 as v1

from datasets.prefetch import Prefetcher
from datasets.storage.failures import is_storage_failure, storage_reason
from learning.checkpoints.resume_rules import differences, fixed_of
from learning.checkpoints.saved_variables import restore
from learning.checkpoints.state import TrainingState
from learning.checkpoints.store import CheckpointStore
from learning.checkpoints.tensorflow_paths import is_plain
from learning.errors import (
    CheckpointError,
    DirectoryInUseError,
    Interrupted,
    NonFiniteError,
    StorageError,
    UsageError,
)
from learning.machine.identity import advise_kernels, machine, note_machine
from learning.machine.precision import check_precision
from learning.runs.lock import hold
from learning.training.configured_schedule import build_schedule
from learning.training.interrupts import SignalGuard
from learning.training.profiling import operations_file, run_traced, write_profile
from learning.training.progress import HISTORY_FILE, Monitor
from models.convnet import one_hot
from models.options import accepted

if TYPE_CHECKING:
    from learning.optimizers import Optimizer

logger = logging.getLogger(__name__)


class TrainingLoop:
    """One call of `Optimizer.train`: an optimizer, its session and a directory.

    Works on the optimizer's `state` and `schedule`, which stay readable there afterwards.
    """

    def __init__(self, optimizer: Optimizer, sess: v1.Session, save_dir: str | os.PathLike[str]) -> None:
        """:raises ValueError: no batch fits into the training set, or the schedule not into the training."""
        self.optimizer, self.sess = optimizer, sess
        self.config = optimizer.config
        train = self.config.train
        self.store = CheckpointStore(save_dir, train.keep_checkpoints, train.select)
        batch_size, num_examples = train.batch_size, optimizer.train_set.num_examples
        self.steps_per_epoch = num_examples // batch_size
        if self.steps_per_epoch == 0:
            raise ValueError(
                f"batch_size is {batch_size}, more than the {num_examples} training images: no update fits "
                "into an epoch; choose a smaller batch_size"
            )
        self.total_steps = train.num_epochs * self.steps_per_epoch
        self.fixed = fixed_of(
            self.config,
            self.total_steps,
            optimizer=type(optimizer).__name__,
            model=optimizer.model,
            train_set=optimizer.train_set,
            val_set=optimizer.val_set,
            evaluator=optimizer.evaluator,
        )
        optimizer.schedule = build_schedule(self.config.schedule, self.config.optimizer, self.total_steps)

    @property
    def state(self) -> TrainingState:
        """The optimizer's."""
        return self.optimizer.state

    def run(
        self, *, resume: bool, fresh: bool, verbose: bool, on_start: Callable[[], None] | None = None
    ) -> None:
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
            if on_start is not None:
                on_start()
            self._train(resume, verbose)

    def _train(self, resume: bool, verbose: bool) -> None:
        """From the present state to the end, or to a signal."""
        train = self.config.train
        with (
            self.optimizer.model.graph.as_default(),
            SignalGuard() as signals,
            Monitor(
                self.store.save_dir,
                self.total_steps,
                train.batch_size,
                verbose=verbose,
                tensorboard=train.tensorboard,
            ) as monitor,
            Prefetcher(self.optimizer.train_set, train.batch_size, augment=train.augment_train) as batches,
        ):
            if resume:
                with self._logging():
                    monitor.on_resume(self.state, finished=self._finished())
            while not self._finished():
                saved = self._advance(batches, monitor)
                if signals.received is not None:
                    if not saved:
                        self._save()
                    self._leave(signals.received)
            with self._logging():
                monitor.finish(self.state)

    def _start(self, fresh: bool) -> None:
        """Initial values, except for what the session holds already."""
        if self.store.steps():
            raise DirectoryInUseError(
                f"{self.store.save_dir} already holds a run; resume it, or choose another directory"
            )
        worst = float(self.optimizer.evaluator.worst_score)
        self.optimizer.state = TrainingState(best_score=worst, fixed=self.fixed)
        self.optimizer.train_set.cursor = {"epochs_completed": 0, "index_in_epoch": 0}
        self._initialize(fresh)

    def _initialize(self, fresh: bool) -> None:
        """Let every variable have a value; those of the model keep one that they have, unless it is to be fresh."""
        optimizer = self.optimizer
        flags = self.sess.run(optimizer.is_initialized)
        kept = [] if fresh else [v for v, flag in zip(optimizer.model.variables, flags, strict=True) if flag]
        if not kept:
            self.sess.run(optimizer.initialize)
            return
        logger.warning(
            "training starts from the values that %d of the model's %d variables have in the session; "
            "train(..., fresh=True) starts from initial ones",
            len(kept), len(optimizer.model.variables),
        )  # fmt: skip
        known = {id(v) for v in kept}
        self.sess.run([v.initializer for v in optimizer.saved_variables if id(v) not in known])

    def _note_machine(self) -> None:
        """Record by which machine the next updates are computed; of one other than before a warning tells."""
        if self._finished():
            return
        advise_kernels()
        check_precision(str(self.optimizer.model.options["precision"]))
        differing = note_machine(self.state.machines, machine(self.sess), self.state.global_step)
        if differing:
            logger.warning(
                "resuming %s on a different machine (%s): the result will not be identical to the bit to that of "
                "one machine",
                self.store.save_dir, "; ".join(differing),
            )  # fmt: skip

    def _resume(self) -> None:
        """The values of the newest checkpoint."""
        state = self.store.newest_state()
        differing = differences(self.fixed, state.fixed)
        if differing:
            raise CheckpointError(
                f"{self.store.save_dir} was trained otherwise: {'; '.join(differing)}; "
                "resume with the same options and data"
            )
        checkpoint = self.store.path(state.global_step)
        restore(self.sess, self.optimizer.saved_variables, checkpoint, exact=True)
        try:
            self.optimizer.schedule.restore(state.schedule)
            self.optimizer.train_set.cursor = state.cursor
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"cannot resume {self.store.save_dir}: {error}") from error
        profile = self.config.train.profile
        is_past = profile is not None and profile <= state.global_step
        if is_past and not operations_file(self.store.save_dir, profile or 0).exists():
            raise UsageError(
                f"train.profile is {profile}, and {state.global_step} updates are done; choose a later one"
            )
        self.store.losses.fetch(state)
        self.optimizer.state = state
        with self._logging():
            self.store.clean()
            self.store.set_damaged_aside(state)
            self.store.link_selected(state)

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        """What is written for people comes after the checkpoint: where that fails, training can be resumed."""
        try:
            yield
        except (OSError, v1.errors.OpError) as error:
            if not is_storage_failure(error, self.store.save_dir):
                raise
            raise StorageError(
                f"cannot write the history in {self.store.save_dir}: "
                f"{storage_reason(error, self.store.save_dir)}; the checkpoint of update "
                f"{self.state.global_step} is saved; make room and resume"
            ) from error

    def _finished(self) -> bool:
        at_epoch_end = self.state.global_step % self.steps_per_epoch == 0
        stopped = self.config.schedule.should_stop(self.state.epoch - self.state.best_epoch)
        return (at_epoch_end and stopped) or self.state.global_step >= self.total_steps

    def _advance(self, batches: Prefetcher, monitor: Monitor) -> bool:
        """One update and, where they are due, scores and a checkpoint; returns whether one was written."""
        labels, pred = self._step(batches, monitor)
        if self.state.global_step % self.steps_per_epoch == 0:
            monitor.on_evaluation()
            improved = self._end_epoch(labels, pred)
            self._save()
            with self._logging():
                monitor.on_epoch(self.state, improved and self.store.select == "best")
            return True
        every = self.config.train.save_every_steps
        if every is not None and self.state.global_step % every == 0:
            self._save()
            return True
        return False

    def _step(self, batches: Prefetcher, monitor: Monitor) -> tuple[np.ndarray, np.ndarray]:
        """One update; returns the minibatch's labels and predictions."""
        optimizer, model = self.optimizer, self.optimizer.model
        images, labels, cursor = next(batches)
        rate = optimizer.curr_learning_rate
        feed = {**model.feed(images, labels, is_train=True), optimizer.learning_rate_placeholder: rate}
        fetches = [optimizer.optimize, model.loss, model.pred]
        if self.config.train.profile == self.state.global_step + 1:
            _, loss, pred = self._run_profiled(self.config.train.profile, fetches, feed, monitor)
        else:
            _, loss, pred = self.sess.run(fetches, feed)
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the loss is {loss} at update {self.state.global_step + 1}, nothing of it was saved; "
                f"start again with a lower init_learning_rate (the rate was {rate:g}) or with clip_norm"
            )
        self.state.global_step += 1
        self.state.cursor = cursor
        self.state.step_losses.append(float(loss))
        monitor.on_step(self.state, float(loss), rate)
        return labels, pred

    def _run_profiled(
        self, step: int, fetches: list[Any], feed: dict[Any, Any], monitor: Monitor
    ) -> list[Any]:
        """Update `step` under TensorFlow's tracer."""
        values, stats = run_traced(self.sess, fetches, feed)
        try:
            table = write_profile(stats, self.store.save_dir, step)
        except OSError as error:
            if not is_storage_failure(error, self.store.save_dir):
                raise
            reason = storage_reason(error, self.store.save_dir)
            raise StorageError(
                f"cannot write the profile of update {step} in {self.store.save_dir}: {reason}; make room, or "
                "resume with --train.profile null"
            ) from error
        monitor.tell(f"update {step}, also in {operations_file(self.store.save_dir, step)}:\n{table}")
        return values

    def _end_epoch(self, labels: np.ndarray, pred: np.ndarray) -> bool:
        """Score the last minibatch and the validation set; returns whether this epoch is the best so far."""
        optimizer, state, train = self.optimizer, self.state, self.config.train
        evaluator, val_set = optimizer.evaluator, optimizer.val_set
        num_classes = optimizer.model.num_classes
        step_score = float(evaluator.score(one_hot(labels, num_classes), pred))
        eval_score = None
        if val_set is not None:
            val_pred = optimizer.model.predict(
                self.sess, val_set, batch_size=train.batch_size, augment_pred=train.augment_pred
            )
            eval_score = float(evaluator.score(one_hot(val_set.labels, num_classes), val_pred))
        score = step_score if eval_score is None else eval_score
        improved = bool(evaluator.is_better(score, state.best_score, score_threshold=train.score_threshold))
        rate = optimizer.schedule.learning_rate(state.global_step - 1)
        state.end_epoch(step_score, eval_score, rate, self.steps_per_epoch, improved=improved)
        optimizer._update_learning_rate(**accepted(optimizer._update_learning_rate, optimizer.hp))
        return improved

    def _save(self) -> None:
        """Write a checkpoint, unless a variable is not finite."""
        finite = self.sess.run(self.optimizer.finite)
        if not finite.all():
            name = self.optimizer.float_variables[int(np.argmin(finite))].op.name
            raise NonFiniteError(
                f"NaN or Inf in the variable {name} after update {self.state.global_step}, nothing of it "
                "was saved; start again with a lower init_learning_rate or with clip_norm"
            )
        self.state.schedule = self.optimizer.schedule.state()
        self.store.save(self.sess, self.optimizer.saver, self.state)

    def _leave(self, number: int) -> None:
        raise Interrupted(
            number,
            f"stopped by {signal.Signals(number).name} after {self.state.global_step} updates, all saved; "
            f"go on with --resume {self.store.save_dir}",
        )
