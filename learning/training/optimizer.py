"""Train a model in a session, as the AlexNet post does.

The graph of an update is in `learning.training.step`, the loop in `learning.training.loop`.
"""

import inspect
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from learning.callbacks import Callback
from learning.checkpoints.state import TrainingState
from learning.config.run_config import RunConfig
from learning.distributed.alone import ALONE, Alone
from learning.errors import UsageError
from learning.evaluators import Evaluator
from learning.runs.directory import default_path
from learning.runs.score_checks import NanWarning, check_scores
from learning.schedules import ConstantSchedule, Schedule, build_schedule
from learning.training.console import ConsoleProgress
from learning.training.loop import TrainingLoop
from learning.training.profiling import Profiler
from learning.training.rate_factors import apply_gradients, rate_factors
from learning.training.record import History, LearningCurves
from learning.training.set_size import with_set_size
from learning.training.step import TrainingStep, gradients
from models.convnet import ConvNet
from models.graph.building import operations_behind, random_operations
from models.options import accepted, reject_unknown

logger = logging.getLogger(__name__)


class Optimizer(ABC):
    """Trains a model in a session. A subclass builds the update op (`_optimize_op`).

    :ivar learning_rate_placeholder: float32 scalar, fed with `curr_learning_rate` at every update.
    :ivar optimize: the op of one whole step: update, batch-norm statistics, global step.
    :ivar variables: the model's variables and the update rule's slots.
    :ivar saved_variables: these and the global step, which a checkpoint holds.
    :ivar initialize: the op that gives all of them their initial values.
    :ivar schedule: the learning-rate schedule; `train` builds the configured one, given the number of updates.
    :ivar save_dir: where the last call of `train` saved.
    """

    def __init__(
        self,
        model: ConvNet,
        train_set: DataSet,
        evaluator: Evaluator,
        val_set: DataSet | None = None,
        *,
        config: RunConfig | None = None,
        workers: Alone = ALONE,
        **hp: Any,
    ) -> None:
        """Add the update to the model's graph.

        :param val_set: scored at the end of each epoch, to choose the best weights; without it, the epoch's last
            minibatch is scored.
        :param config: the learning options.
        :param workers: who train the model together; `fit` gives them.
        :param hp: the same as a flat dictionary (the post's `hp_d`): batch_size, num_epochs, init_learning_rate,
            momentum, ... They take precedence over `config`. Options of other parts are ignored.
        :raises TypeError: an option is unknown.
        :raises ValueError: a value is impossible, or the images or labels do not fit the model.
        """
        reject_unknown(hp, type(self).__name__, self._optimize_op, self._update_learning_rate)
        for dataset in (train_set,) if val_set is None else (train_set, val_set):
            _check_fits(model, dataset)
        _warn_of_random_state(model)
        self.config, _ = with_set_size((config or RunConfig()).replace_flat(hp), train_set.num_examples)
        self.model, self.train_set, self.val_set, self.evaluator = model, train_set, val_set, evaluator
        self.hp = {**hp, **self.config.flat()}  # with numbers in place of auto
        self.workers = workers
        self._has_rate_factors = False
        self._gradient_pairs: list[tuple[tf.Tensor, tf.Variable]] = []
        self._training_step = TrainingStep(model, self._build_update, workers)
        if workers.size > 1 and not self._gradient_pairs:
            raise UsageError(
                f"the _optimize_op of {type(self).__name__} does not call self._gradients, which sums the "
                "gradients over the workers; call it, or train without workers"
            )
        if self.config.optimizer.rate_factors and not self._has_rate_factors:
            raise ValueError(
                f"optimizer.rate_factors have no effect on {type(self).__name__}, whose _optimize_op does not call "
                "self._apply; leave them out"
            )
        self.optimize = self._training_step.optimize
        self.variables = self._training_step.variables
        self.saved_variables = self._training_step.saved_variables
        self.initialize = self._training_step.initialize
        self.schedule: Schedule = ConstantSchedule(self.config.optimizer.init_learning_rate)
        self._loop: TrainingLoop | None = None

    def _build_update(self, learning_rate: tf.Tensor) -> tf.Operation:
        self.learning_rate_placeholder = learning_rate
        return self._optimize_op(**accepted(self._optimize_op, self.hp))

    @abstractmethod
    def _optimize_op(self, *args: Any, **hp: Any) -> tf.Operation:
        """Build the op of one update, at the rate `self.learning_rate_placeholder`.

        A subclass names its options as keyword parameters. The base class counts the global step and updates
        batch-norm statistics.
        """

    def _update_learning_rate(self) -> None:
        """Let the schedule change the learning rate; called at the end of each epoch.

        A subclass may set `curr_learning_rate` instead, and name options as keyword parameters.
        """
        self.num_bad_epochs = self.schedule.step(self.num_bad_epochs)

    def _gradients(
        self, loss: tf.Tensor, *, weight_decay: bool = True
    ) -> list[tuple[tf.Tensor, tf.Variable]]:
        """Return the gradient and variable pairs of `loss`, as `learning.training.step.gradients` does."""
        clip_norm = self.config.optimizer.clip_norm
        pairs = gradients(
            self.model, loss, clip_norm=clip_norm, weight_decay=weight_decay, workers=self.workers
        )
        self._gradient_pairs = pairs  # which TensorBoard shows
        return pairs

    def _apply(
        self, rule: Callable[[Any], v1.train.Optimizer], pairs: Sequence[tuple[tf.Tensor, tf.Variable]]
    ) -> tf.Operation:
        """Build the update of variables by their gradients, each at the learning rate times its factor.

        :param rule: returns TensorFlow's optimizer for a learning rate.
        """
        self._has_rate_factors = True
        return apply_gradients(
            rule, self.learning_rate_placeholder, pairs, rate_factors(self.model, self.config.optimizer)
        )

    @property
    def state(self) -> TrainingState:
        """What a resume needs besides the variables. The properties below are the post's names for parts of it."""
        return TrainingState() if self._loop is None else self._loop.state

    @property
    def curr_epoch(self) -> int:
        """The current epoch, counting from 1."""
        return self.state.epoch + 1

    @property
    def best_score(self) -> float:
        """The best score so far."""
        return self.state.best_score

    @property
    def num_bad_epochs(self) -> int:
        """Epochs in a row without a better score; a learning-rate rule may start the count again."""
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
        fresh: bool | None = None,
        callbacks: Sequence[Callback] = (),
        **hp: Any,
    ) -> dict[str, list[float]] | None:
        """Run num_epochs * (num_examples // batch_size) updates.

        Variables of the model that have values in `sess`, because they were restored or trained before, keep them;
        all others are initialised. The global step, the slots of the update rule and the schedule start again.

        :param save_dir: for checkpoints, history.csv, learning_curves.png, and as `model.ckpt` the best weights,
            which a `tf.compat.v1.train.Saver` restores. Without it: runs/<time>-<model>, kept in `self.save_dir`.
        :param details: return {'step_losses': one per update, 'step_scores' and 'eval_scores': one per epoch}.
        :param verbose: show progress on standard output.
        :param resume: continue from the newest checkpoint in `save_dir`. The result equals that of the
            uninterrupted run bit for bit (on the same machine, with the same kernels, TensorFlow and number of
            threads; otherwise a warning says what changed).
        :param fresh: True initialises all variables, including those that have values in `sess`; False keeps these
            without the line that says so.
        :param callbacks: called after the built-in ones (history, learning curves, console and, as configured,
            TensorBoard and profiler): see `learning.callbacks`.
        :param hp: options that differ from the constructor's, except for those of the update rule, which is in the
            graph already.
        :raises ValueError: no batch fits into the training set, the schedule does not fit into the training, an
            option of the update rule differs from the constructor's, or no epoch could have a score.
        :raises DirectoryInUseError: `save_dir` already holds checkpoints and `resume` is False, or another process
            trains there.
        :raises CheckpointError: the run was trained with other options or data, or its checkpoints are damaged.
        :raises NonFiniteError: the loss or a variable is NaN or Inf; this update is not saved.
        :raises StorageError: the disk is full or cannot be written; the last checkpoint is whole.
        :raises Interrupted: SIGINT, SIGTERM or SIGHUP came, and the state was saved.
        """
        self._take_options(hp)
        names = self.train_set.class_names or [str(k) for k in range(self.model.num_classes)]
        check_scores(self.evaluator, self.train_set, self.val_set, names, self.config.train.batch_size)
        self.save_dir = (
            default_path(type(self.model).__name__.lower()) if save_dir is None else Path(save_dir)
        )
        total_steps, batch_size = self._total_steps(), self.config.train.batch_size
        self.schedule = build_schedule(self.config.schedule, self.config.optimizer, total_steps, batch_size)
        self._loop = self._new_loop(sess, self.save_dir, ConsoleProgress(verbose=verbose), callbacks)
        self._loop.run(resume=resume, fresh=fresh)
        results = ("step_losses", "step_scores", "eval_scores")
        return {name: list(getattr(self.state, name)) for name in results} if details else None

    def _new_loop(
        self, sess: v1.Session, save_dir: Path, console: ConsoleProgress, callbacks: Sequence[Callback]
    ) -> TrainingLoop:
        options = accepted(self._update_learning_rate, self.hp)
        return TrainingLoop(
            sess=sess,
            save_dir=save_dir,
            model=self.model,
            step=self._training_step,
            train_set=self.train_set,
            val_set=self.val_set,
            evaluator=self.evaluator,
            config=self.config,
            optimizer=type(self).__name__,
            schedule=self.schedule,
            update_learning_rate=partial(self._update_learning_rate, **options),
            callbacks=[*self._configured_callbacks(), console, *callbacks] if self.workers.is_chief else (),
            say=console.say,
            workers=self.workers,
        )

    def _configured_callbacks(self) -> list[Callback]:
        """Return the built-in callbacks; the profiler is first, because it may refuse to start."""
        train = self.config.train
        watching: list[Callback] = [] if train.profile is None else [Profiler(train.profile)]
        watching += [History(), NanWarning(), LearningCurves()]
        if not train.tensorboard:
            return watching
        from learning.tracking.tensorboard import TensorBoard

        # The chief cannot compute gradients alone: they are sums over all workers.
        pairs = self._gradient_pairs if self.workers.size == 1 else ()
        return [*watching, TensorBoard(self.train_set, self.val_set, pairs)]

    def _total_steps(self) -> int:
        """Return the number of updates of the run. ValueError if no batch fits into the training set."""
        batch_size, num_examples = self.config.train.batch_size, self.train_set.num_examples
        if batch_size > num_examples:
            raise ValueError(
                f"batch_size is {batch_size}, more than the {num_examples} training images: no update fits "
                "into an epoch; choose a smaller batch_size"
            )
        return self.config.train.num_epochs * (num_examples // batch_size)

    def _take_options(self, hp: dict[str, Any]) -> None:
        """Replace options by those given to `train`. ValueError for one that the graph was built with."""
        reject_unknown(hp, f"{type(self).__name__}.train", self._optimize_op, self._update_learning_rate)
        named = inspect.signature(self._optimize_op).parameters
        for key in (*named, "clip_norm"):
            if key in hp and key in self.hp and hp[key] != self.hp[key]:
                raise ValueError(
                    f"{key} is {hp[key]!r} in train() but the update was built with {self.hp[key]!r}; "
                    f"give it to {type(self).__name__}()"
                )
        self.config, _ = with_set_size(self.config.replace_flat(hp), self.train_set.num_examples)
        self.hp = {**self.hp, **hp, **self.config.flat()}


def _warn_of_random_state(model: ConvNet) -> None:
    """Warn if the loss depends on random ops whose state is not a variable."""
    hidden = sorted(random_operations(model.graph, operations_behind(model.loss)))
    if hidden:
        logger.warning(
            "the network draws random numbers whose state no checkpoint holds (%s), so a resumed run will "
            "differ; use models.layers.dropout or tf.random.stateless_*", ", ".join(hidden[:3])
        )  # fmt: skip


def _check_fits(model: ConvNet, dataset: DataSet) -> None:
    """Raise ValueError if a batch's images or labels do not have the model's input size or classes."""
    if dataset.crop_shape != model.input_shape:
        height, width, _ = model.input_shape
        size = height if height == width else (height, width)
        raise ValueError(
            f"batches hold images of {dataset.crop_shape}, the model takes {model.input_shape}; give "
            f"DataSet(..., crop_size={size}), or another input_shape"
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
