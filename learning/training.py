"""Optimizer: the training loop on an explicit graph and session. Its update rules are in `optimizers`."""

import dataclasses
import inspect
import math
import os
import signal
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from datasets.prefetch import Prefetcher
from learning.checkpoints import CheckpointStore, restore
from learning.config import RunConfig
from learning.errors import CheckpointError, DirectoryInUseError, Interrupted, NonFiniteError
from learning.evaluators import Evaluator
from learning.interrupts import SignalGuard
from learning.progress import Monitor
from learning.schedule_building import build_schedule
from learning.schedules import ConstantSchedule, EarlyStopping, Schedule
from learning.state import TrainingState
from models.convnet import ConvNet
from models.hyperparameters import accepted, reject_unknown


class Optimizer(ABC):
    """Trains a model in a session. A subclass gives the update op (`_optimize_op`).

    :ivar learning_rate_placeholder: float32 scalar, fed with `curr_learning_rate` at every update.
    :ivar state: all that a resume needs beside the variables; `curr_epoch`, `best_score`, `num_bad_epochs` and
        `curr_learning_rate` look into it under the post's names.
    """

    def __init__(
        self,
        model: ConvNet,
        train_set: DataSet,
        evaluator: Evaluator,
        val_set: DataSet | None = None,
        *,
        config: RunConfig | None = None,
        **hp: Any,
    ) -> None:
        """Add the update to the model's graph.

        :param val_set: scored at the end of each epoch, to choose the best weights; without it the epoch's
            last minibatch is.
        :param config: the learning options; or
        :param hp: the same as a flat dictionary (the post's `hp_d`): batch_size, num_epochs,
            init_learning_rate, momentum, ... Options of other parts are passed over, unknown ones raise
            TypeError, impossible values ValueError.
        """
        reject_unknown(hp, type(self).__name__, self._optimize_op, self._update_learning_rate)
        self.config = RunConfig.from_flat(hp) if config is None else config
        self.model, self.train_set, self.val_set, self.evaluator = model, train_set, val_set, evaluator
        self._hp = {**self.config.flat(), **hp}
        with model.graph.as_default():
            known = {id(v) for v in v1.global_variables()}
            self.learning_rate_placeholder = v1.placeholder(tf.float32, [], name="learning_rate")
            update = self._optimize_op(**accepted(self._optimize_op, self._hp))
            with tf.control_dependencies([update, *model.update_ops]):
                self.optimize = v1.assign_add(model.global_step, 1)
            self.variables = model.variables + [v for v in v1.global_variables() if id(v) not in known]
            self._finite = tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in self.variables])
            self._initialize = v1.variables_initializer(self.variables)
            self._saver = v1.train.Saver([*self.variables, model.global_step], max_to_keep=None)
        self.state = TrainingState()
        # `train` builds the configured one: only there the number of updates is known.
        self.schedule: Schedule = ConstantSchedule(self.config.optimizer.init_learning_rate)

    @abstractmethod
    def _optimize_op(self, *args: Any, **hp: Any) -> tf.Operation:
        """The op of one update, at the rate `self.learning_rate_placeholder`.

        A subclass names its options as keyword parameters. The global step is not its business: the base
        class counts, and runs the updates of batch-norm statistics.
        """

    def _update_learning_rate(self) -> None:
        """Called at the end of each epoch; here the schedule decides. May set `curr_learning_rate`."""
        self.num_bad_epochs = self.schedule.step(self.num_bad_epochs)

    def _gradients(self, loss: tf.Tensor) -> list[tuple[tf.Tensor, tf.Variable]]:
        """Gradient and variable pairs of `loss`, scaled down to the global norm `clip_norm` where that is set."""
        variables = self.model.trainable_variables
        pairs = [
            (g, v) for g, v in zip(tf.gradients(loss, variables), variables, strict=True) if g is not None
        ]
        if self.config.optimizer.clip_norm is None:
            return pairs
        clipped, _ = tf.clip_by_global_norm([g for g, _ in pairs], self.config.optimizer.clip_norm)
        return [(g, v) for g, (_, v) in zip(clipped, pairs, strict=True)]

    @property
    def curr_epoch(self) -> int:
        """The epoch that is under way, counting from 1."""
        return self.state.epoch + 1

    @property
    def best_score(self) -> float:
        """The best score so far."""
        return self.state.best_score

    @property
    def num_bad_epochs(self) -> int:
        """Epochs in a row that brought nothing better; a learning-rate rule may start the count again."""
        return self.state.num_bad_epochs

    @num_bad_epochs.setter
    def num_bad_epochs(self, value: int) -> None:
        self.state.num_bad_epochs = value

    @property
    def curr_learning_rate(self) -> float:
        """The rate of the next update."""
        return self.schedule.learning_rate(self.state.global_step)

    @curr_learning_rate.setter
    def curr_learning_rate(self, value: float) -> None:
        self.schedule.set_learning_rate(value)

    def train(
        self,
        sess: v1.Session,
        save_dir: str | os.PathLike[str],
        details: bool = False,
        verbose: bool = True,
        *,
        resume: bool = False,
        **hp: Any,
    ) -> dict[str, list[float]] | None:
        """Initialise the variables and run num_epochs * (num_examples // batch_size) updates.

        :param save_dir: gets the checkpoints, history.csv, learning_curves.png, and the best weights as
            `model.ckpt`, which a `tf.compat.v1.train.Saver` restores.
        :param details: return {'step_losses': one per update, 'step_scores' and 'eval_scores': one per epoch}.
        :param verbose: show progress.
        :param resume: go on from the newest checkpoint in `save_dir`, to the same result, bit for bit, that
            the uninterrupted run would have had (same machine, TensorFlow and thread count).
        :param hp: options that differ from the constructor's; those of the update rule are in the graph
            already and cannot.
        :raises DirectoryInUseError: `save_dir` already holds checkpoints and `resume` is False.
        :raises NonFiniteError: NaN or Inf in the loss or in a variable; nothing of it is saved.
        :raises Interrupted: SIGINT or SIGTERM came, and the state was saved.
        """
        self._take_options(hp)
        store = CheckpointStore(save_dir, self.config.train.keep_checkpoints)
        self._start(sess, store, resume)
        train = self.config.train
        with (
            self.model.graph.as_default(),
            SignalGuard() as signals,
            Monitor(
                store.save_dir,
                self._total_steps,
                train.batch_size,
                verbose=verbose,
                tensorboard=train.tensorboard,
            ) as monitor,
            Prefetcher(self.train_set, train.batch_size, augment=train.augment_train) as batches,
        ):
            while not self._finished():
                labels, pred = self._step(sess, batches, monitor)
                saved = True
                if self.state.global_step % self._steps_per_epoch == 0:
                    monitor.on_evaluation()
                    improved = self._end_epoch(sess, labels, pred)
                    self._save(sess, store)
                    monitor.on_epoch(self.state, improved)
                elif train.save_every_steps and self.state.global_step % train.save_every_steps == 0:
                    self._save(sess, store)
                else:
                    saved = False
                if signals.received is not None:
                    if not saved:
                        self._save(sess, store)
                    self._leave(store, signals.received)
            monitor.finish(self.state)
        names = ("step_losses", "step_scores", "eval_scores")
        return {name: list(getattr(self.state, name)) for name in names} if details else None

    def _take_options(self, hp: dict[str, Any]) -> None:
        """Let `train`'s options replace the constructor's, but for those that the graph is built with."""
        reject_unknown(hp, f"{type(self).__name__}.train", self._optimize_op, self._update_learning_rate)
        named = inspect.signature(self._optimize_op).parameters
        for key in (*named, "clip_norm"):
            if key in hp and key in self._hp and hp[key] != self._hp[key]:
                raise ValueError(
                    f"{key} is {hp[key]!r} in train() but the update was built with {self._hp[key]!r}; "
                    f"give it to {type(self).__name__}()"
                )
        if hp:
            self._hp = {**self._hp, **hp}
            learning = RunConfig.from_flat(self._hp)
            parts = {name: getattr(learning, name) for name in ("optimizer", "schedule", "train")}
            self.config = dataclasses.replace(self.config, **parts)

    def _reset(self) -> None:
        """Forget all training so far."""
        batch_size, num_examples = self.config.train.batch_size, self.train_set.num_examples
        self._steps_per_epoch = num_examples // batch_size
        self._total_steps = self.config.train.num_epochs * self._steps_per_epoch
        if self._steps_per_epoch == 0:
            raise ValueError(
                f"batch_size is {batch_size}, more than the {num_examples} training images: no update fits "
                "into an epoch; choose a smaller batch_size"
            )
        self.schedule = build_schedule(self.config.schedule, self.config.optimizer, self._total_steps)
        self.state = TrainingState(
            best_score=math.nan,
            fixed={"batch_size": batch_size, "num_examples": num_examples},
        )

    def _start(self, sess: v1.Session, store: CheckpointStore, resume: bool) -> None:
        """Initial values, or those of the newest checkpoint."""
        self._reset()
        if resume:
            self._resume(sess, store)
        elif store.steps():
            raise DirectoryInUseError(
                f"{store.save_dir} already holds a run; resume it, or choose another directory"
            )
        else:
            self.train_set.cursor = {"epochs_completed": 0, "index_in_epoch": 0}
            sess.run([self._initialize, self.model.global_step.initializer])

    def _resume(self, sess: v1.Session, store: CheckpointStore) -> None:
        state = store.newest_state()
        if state.fixed != self.state.fixed:
            raise CheckpointError(
                f"{store.save_dir} was trained with {state.fixed}, now they are {self.state.fixed}; "
                "resume with the same data and batch size"
            )
        variables = [*self.variables, self.model.global_step]
        restore(sess, variables, store.path(state.global_step), exact=True)
        self.schedule.restore(state.schedule)
        self.train_set.cursor = state.cursor
        self.state = state

    def _finished(self) -> bool:
        state = self.state
        stopping = EarlyStopping(self.config.schedule.early_stopping_patience)
        at_epoch_end = state.global_step % self._steps_per_epoch == 0
        stopped = at_epoch_end and stopping.should_stop(state.epoch - state.best_epoch)
        return stopped or state.global_step >= self._total_steps

    def _step(self, sess: v1.Session, batches: Prefetcher, monitor: Monitor) -> tuple[np.ndarray, np.ndarray]:
        """One update; returns the minibatch's labels and predictions."""
        images, labels, cursor = next(batches)
        rate = self.curr_learning_rate
        feed = {**self.model.feed(images, labels, is_train=True), self.learning_rate_placeholder: rate}
        _, loss, pred = sess.run([self.optimize, self.model.loss, self.model.pred], feed)
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the loss is {loss} at update {self.state.global_step + 1}, nothing of it was saved; "
                f"lower the learning rate ({rate:g}) or set clip_norm, and resume or start again"
            )
        self.state.global_step += 1
        self.state.cursor = cursor
        self.state.step_losses.append(float(loss))
        monitor.on_step(self.state, float(loss), rate)
        return labels, pred

    def _end_epoch(self, sess: v1.Session, labels: np.ndarray, pred: np.ndarray) -> bool:
        """Score the last minibatch and the validation set; returns whether this epoch is the best so far."""
        state, train = self.state, self.config.train
        step_score = float(self.evaluator.score(labels, pred))
        eval_score = None
        if self.val_set is not None:
            val_pred = self.model.predict(
                sess, self.val_set, batch_size=train.batch_size, augment_pred=train.augment_pred
            )
            eval_score = float(self.evaluator.score(self.val_set.labels, val_pred))
        score = step_score if eval_score is None else eval_score
        improved = self.evaluator.is_better(score, state.best_score, score_threshold=train.score_threshold)
        rate = self.schedule.learning_rate(state.global_step - 1)
        state.end_epoch(step_score, eval_score, rate, self._steps_per_epoch, improved=bool(improved))
        self._update_learning_rate(**accepted(self._update_learning_rate, self._hp))
        return bool(improved)

    def _save(self, sess: v1.Session, store: CheckpointStore) -> None:
        finite = sess.run(self._finite)
        if not finite.all():
            name = self.variables[int(np.argmin(finite))].op.name
            raise NonFiniteError(
                f"NaN or Inf in the variable {name} after update {self.state.global_step}, nothing of it "
                "was saved; lower the learning rate or set clip_norm, and resume or start again"
            )
        self.state.schedule = self.schedule.state()
        store.save(sess, self._saver, self.state)

    def _leave(self, store: CheckpointStore, number: int) -> None:
        raise Interrupted(
            number,
            f"stopped by {signal.Signals(number).name} after {self.state.global_step} updates, all saved; "
            f"go on with --resume {store.save_dir}",
        )
