"""Optimizer: how a model's variables are updated; and the update rules by name. The loop is in `training`."""

import inspect
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from learning.checkpoints.state import TrainingState
from learning.config.run_config import RunConfig
from learning.evaluators import Evaluator
from learning.runs.directory import default_path
from learning.schedules import ConstantSchedule, Schedule
from learning.training.loop import TrainingLoop
from learning.training.score_checks import check_scores
from models.convnet import ConvNet
from models.graph.building import operations_behind, random_operations
from models.options import accepted, reject_unknown

logger = logging.getLogger(__name__)


class Optimizer(ABC):
    """Trains a model in a session. A subclass gives the update op (`_optimize_op`).

    :ivar learning_rate_placeholder: float32 scalar, fed with `curr_learning_rate` at every update.
    :ivar optimize: the op of one whole step: update, batch-norm statistics, global step.
    :ivar variables: what training changes or keeps: the model's variables and the update rule's slots.
    :ivar saved_variables: these and the global step: what a checkpoint holds.
    :ivar finite: bool (M,), for each of `float_variables` whether all of its values are finite.
    :ivar save_dir: where the last call of `train` saved.
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
        :param config: the learning options.
        :param hp: the same as a flat dictionary (the post's `hp_d`): batch_size, num_epochs,
            init_learning_rate, momentum, ... They win over `config`. Options of other parts are passed over,
            unknown ones raise TypeError, impossible values ValueError, as do images of another size than the
            model's input.
        """
        reject_unknown(hp, type(self).__name__, self._optimize_op, self._update_learning_rate)
        for dataset in (train_set,) if val_set is None else (train_set, val_set):
            _check_fits(model, dataset)
        hidden = sorted(random_operations(model.graph, operations_behind(model.loss)))
        if hidden:
            logger.warning(
                "the network draws random numbers whose state no checkpoint holds (%s), so a resumed run will "
                "differ; use models.layers.dropout or tf.random.stateless_*", ", ".join(hidden[:3])
            )  # fmt: skip
        self.config = (config or RunConfig()).replace_flat(hp)
        self.model, self.train_set, self.val_set, self.evaluator = model, train_set, val_set, evaluator
        self.hp = {**self.config.flat(), **hp}
        with model.graph.as_default():
            known = {id(v) for v in v1.global_variables()}
            self.learning_rate_placeholder = v1.placeholder(tf.float32, [], name="learning_rate")
            # What a step reports is of the variables before it, whatever the update rule looks at.
            with tf.control_dependencies([model.loss, model.pred]):
                update = self._optimize_op(**accepted(self._optimize_op, self.hp))
            with tf.control_dependencies([update, *model.update_ops]):
                self.optimize = v1.assign_add(model.global_step, 1)
            self.variables = model.variables + [v for v in v1.global_variables() if id(v) not in known]
            self.float_variables = [v for v in self.variables if v.dtype.base_dtype.is_floating]
            self.finite = tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in self.float_variables])
            self.saved_variables = [*self.variables, model.global_step]
            self.initialize = v1.variables_initializer(self.saved_variables)
            self.is_initialized = tf.stack([v1.is_variable_initialized(v) for v in model.variables])
            self.saver = v1.train.Saver(self.saved_variables, max_to_keep=None)
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
        """Called at the end of each epoch; here the schedule decides. May set `curr_learning_rate`.

        A subclass may name options as keyword parameters.
        """
        self.num_bad_epochs = self.schedule.step(self.num_bad_epochs)

    def _gradients(
        self, loss: tf.Tensor, *, weight_decay: bool = True
    ) -> list[tuple[tf.Tensor, tf.Variable]]:
        """Gradient and variable pairs of `loss`, scaled down to the global norm `clip_norm` where that is set.

        :param weight_decay: False leaves out the share of the model's `penalty`.
        """
        variables = self.model.trainable_variables
        # A reference variable is read in place: its update must wait for all gradients that are computed from it.
        gradients = tf.gradients(
            loss,
            variables,
            stop_gradients=[self.model.penalty],
            gate_gradients=any(v.dtype != v.dtype.base_dtype for v in variables),
        )
        [decay] = tf.gradients(loss, self.model.penalty)
        if weight_decay and decay is not None:
            gradients = self._with_decay(gradients, decay)
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        if self.config.optimizer.clip_norm is None:
            return pairs
        clipped, _ = tf.clip_by_global_norm([g for g, _ in pairs], self.config.optimizer.clip_norm)
        return [(g, v) for g, (_, v) in zip(clipped, pairs, strict=True)]

    def _with_decay(self, gradients: list[tf.Tensor | None], decay: tf.Tensor) -> list[tf.Tensor | None]:
        """The gradients of the trained variables, with `decay` times the variable added where it is decayed.

        TensorFlow's gradient of the penalty is the same to the bit. But nothing keeps it from being computed for
        all variables when the step begins, and then it lies beside all activations: 218 MB for AlexNet.
        """
        decayed = {id(v) for v in self.model.decayed_variables}
        sums = []
        for gradient, variable in zip(gradients, self.model.trainable_variables, strict=True):
            if id(variable) in decayed:
                with tf.control_dependencies([] if gradient is None else [gradient]):
                    share = decay * variable
                gradient = share if gradient is None else gradient + share
            sums.append(gradient)
        return sums

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
        save_dir: str | os.PathLike[str] | None = None,
        details: bool = False,
        verbose: bool = True,
        *,
        resume: bool = False,
        fresh: bool = False,
        on_start: Callable[[], None] | None = None,
        **hp: Any,
    ) -> dict[str, list[float]] | None:
        """Run num_epochs * (num_examples // batch_size) updates.

        Variables of the model that have values in `sess`, because they were restored or trained before, keep them;
        all others are initialised. The global step, the slots of the update rule and the schedule start anew.

        :param save_dir: gets the checkpoints, history.csv, learning_curves.png, and the best weights as
            `model.ckpt`, which a `tf.compat.v1.train.Saver` restores. Without it: runs/<time>-<model>, kept in
            `self.save_dir`.
        :param details: return {'step_losses': one per update, 'step_scores' and 'eval_scores': one per epoch}.
        :param verbose: show progress.
        :param resume: go on from the newest checkpoint in `save_dir`, to the same result, bit for bit, that
            the uninterrupted run would have had (same machine, kernels, TensorFlow and thread count; with others
            a warning says what changed).
        :param fresh: initialise all variables, also those that have values in `sess`.
        :param on_start: called before the first update, when the variables have their initial or restored values
            and nothing more can be refused.
        :param hp: options that differ from the constructor's; those of the update rule are in the graph
            already and cannot.
        :raises ValueError: no batch fits into the training set, the schedule not into the training, an option
            of the update rule is another than the constructor's, or no epoch could have a score.
        :raises DirectoryInUseError: `save_dir` already holds checkpoints and `resume` is False, or another process
            trains there.
        :raises CheckpointError: the run to go on with was trained otherwise, or its checkpoints are damaged.
        :raises NonFiniteError: NaN or Inf in the loss or in a variable; nothing of it is saved.
        :raises StorageError: the disk is full or cannot be written; the last checkpoint is whole.
        :raises Interrupted: SIGINT, SIGTERM or SIGHUP came, and the state was saved.
        """
        self._take_options(hp)
        names = self.train_set.class_names or tuple(map(str, range(self.model.num_classes)))
        check_scores(self.evaluator, self.train_set, self.val_set, names, self.config.train.batch_size)
        self.save_dir = (
            default_path(type(self.model).__name__.lower()) if save_dir is None else Path(save_dir)
        )
        TrainingLoop(self, sess, self.save_dir).run(
            resume=resume, fresh=fresh, verbose=verbose, on_start=on_start
        )
        names = ("step_losses", "step_scores", "eval_scores")
        return {name: list(getattr(self.state, name)) for name in names} if details else None

    def _take_options(self, hp: dict[str, Any]) -> None:
        """Let `train`'s options replace the constructor's, but for those that the graph is built with."""
        reject_unknown(hp, f"{type(self).__name__}.train", self._optimize_op, self._update_learning_rate)
        named = inspect.signature(self._optimize_op).parameters
        for key in (*named, "clip_norm"):
            if key in hp and key in self.hp and hp[key] != self.hp[key]:
                raise ValueError(
                    f"{key} is {hp[key]!r} in train() but the update was built with {self.hp[key]!r}; "
                    f"give it to {type(self).__name__}()"
                )
        if hp:
            self.hp = {**self.hp, **hp}
            self.config = self.config.replace_flat(hp)


def _check_fits(model: ConvNet, dataset: DataSet) -> None:
    """ValueError where a batch's images or labels are not of the model's input size or classes."""
    if dataset.crop_shape != model.input_shape:
        raise ValueError(
            f"batches hold images of {dataset.crop_shape}, the model takes {model.input_shape}; give "
            f"DataSet(..., crop_size={model.input_shape[0]}), or another input_shape"
        )
    if dataset.labels is None:
        raise ValueError("a set has no labels; give DataSet(images, labels)")
    num_classes = dataset.num_classes or 0
    if dataset.labels.ndim == 1 and num_classes > model.num_classes:
        raise ValueError(
            f"labels go up to {num_classes - 1}, but the {model.num_classes} classes of the model are 0 to "
            f"{model.num_classes - 1}; labels start at 0: subtract 1 where yours start at 1, or give another "
            "num_classes"
        )
    if dataset.labels.ndim == 2 and num_classes != model.num_classes:
        raise ValueError(
            f"labels have {num_classes} columns, but the model has {model.num_classes} classes; give a column "
            "for each class, or another num_classes"
        )


class MomentumOptimizer(Optimizer):
    """Stochastic gradient descent with momentum: Krizhevsky et al. 2012, section 5."""

    def _optimize_op(self, momentum: float = 0.9) -> tf.Operation:
        rule = v1.train.MomentumOptimizer(self.learning_rate_placeholder, momentum)
        return rule.apply_gradients(self._gradients(self.model.loss))


class NesterovOptimizer(Optimizer):
    """Momentum with the gradient taken one step ahead: Sutskever et al. 2013."""

    def _optimize_op(self, momentum: float = 0.9) -> tf.Operation:
        rule = v1.train.MomentumOptimizer(self.learning_rate_placeholder, momentum, use_nesterov=True)
        return rule.apply_gradients(self._gradients(self.model.loss))


class AdamOptimizer(Optimizer):
    """Adam: Kingma & Ba 2015. Weight decay is part of the loss, so Adam scales it like any gradient."""

    def _optimize_op(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> tf.Operation:
        rule = v1.train.AdamOptimizer(self.learning_rate_placeholder, beta1, beta2, epsilon)
        return rule.apply_gradients(self._gradients(self.model.loss))


class AdamWOptimizer(Optimizer):
    """Adam with decoupled weight decay: Loshchilov & Hutter 2019, algorithm 2.

    Each update takes learning_rate * weight_decay of every decayed variable off it, with the model's own
    `weight_decay`. Deviation: the paper's schedule multiplier eta and rate alpha are one learning rate here.
    """

    def _optimize_op(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> tf.Operation:
        rate = self.learning_rate_placeholder
        pairs = self._gradients(self.model.loss, weight_decay=False)
        with tf.control_dependencies([gradient for gradient, _ in pairs]):
            decays = [v.assign_sub(rate * self.model.weight_decay * v) for v in self.model.decayed_variables]
        with tf.control_dependencies(decays):
            return v1.train.AdamOptimizer(rate, beta1, beta2, epsilon).apply_gradients(pairs)


class RMSPropOptimizer(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5) with momentum."""

    def _optimize_op(
        self, rmsprop_decay: float = 0.9, momentum: float = 0.9, epsilon: float = 1e-8
    ) -> tf.Operation:
        rule = v1.train.RMSPropOptimizer(self.learning_rate_placeholder, rmsprop_decay, momentum, epsilon)
        return rule.apply_gradients(self._gradients(self.model.loss))


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "momentum": MomentumOptimizer,
    "nesterov": NesterovOptimizer,
    "adam": AdamOptimizer,
    "adamw": AdamWOptimizer,
    "rmsprop": RMSPropOptimizer,
}
