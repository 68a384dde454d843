"""The graph of one update: what it runs, what it changes, and what a checkpoint holds of it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.distributed.alone import ALONE, Alone
from learning.errors import UsageError
from models.convnet import ConvNet


class Update(NamedTuple):
    """What one update returns."""

    loss: float  # of the whole batch, before the update
    pred: np.ndarray  # (B, K) of this worker's images, before the update
    step_stats: Any  # TensorFlow's StepStats if it was traced, else None
    stops: tuple[int, ...]  # the `stop` that each worker gave


class TrainingStep:
    """Adds one update of a model to the model's graph.

    :ivar optimize: the op of the whole step: update, batch-norm statistics, global step.
    :ivar variables: the model's variables and the update rule's slots.
    :ivar saved_variables: these and the global step, which a checkpoint holds.
    :ivar initialize: the op that gives all of them their initial values.
    :ivar saver: writes them.
    """

    def __init__(
        self, model: ConvNet, update_with: Callable[[tf.Tensor], tf.Operation], workers: Alone = ALONE
    ) -> None:
        """Build the step.

        :param update_with: given the placeholder of the learning rate, builds the op of the update alone.
        :param workers: who compute the step together.
        """
        self.model, self._run_options = model, workers.run_options
        with model.graph.as_default():
            known = {id(v) for v in v1.global_variables()}
            self._learning_rate = v1.placeholder(tf.float32, [], name="learning_rate")
            # Loss and predictions are computed before the update, whatever the update rule reads.
            with tf.control_dependencies([model.loss, model.pred]):
                update = update_with(self._learning_rate)
            with tf.control_dependencies([update, *workers.averaged_statistics(model)]):
                self.optimize = v1.assign_add(model.global_step, 1)
            self._news = None
            if workers.size > 1:
                self._stop = v1.placeholder(tf.float32, [], name="stop")
                self._news = workers.news(model.loss, self._stop)
            self.variables = model.variables + [v for v in v1.global_variables() if id(v) not in known]
            self._floats = [v for v in self.variables if v.dtype.base_dtype.is_floating]
            self._are_finite = tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in self._floats])
            self.saved_variables = [*self.variables, model.global_step]
            self.initialize = v1.variables_initializer(self.saved_variables)
            self._are_initialized = tf.stack([v1.is_variable_initialized(v) for v in model.variables])
            self.saver = v1.train.Saver(self.saved_variables, max_to_keep=None)

    def start(self, sess: v1.Session, *, fresh: bool) -> int:
        """Initialise the variables, except for those of the model that have values already; count these.

        :param fresh: initialise these too, and return 0.
        :raises UsageError: the session ran before this step was built, and TensorFlow cannot add the gradients.
        """
        with _gradients_explained():
            flags = [False] if fresh else sess.run(self._are_initialized)
            if not any(flags):
                sess.run(self.initialize)
                return 0
            kept = {id(v) for v, flag in zip(self.model.variables, flags, strict=True) if flag}
            sess.run([v.initializer for v in self.saved_variables if id(v) not in kept])
        return len(kept)

    def run(
        self,
        sess: v1.Session,
        images: Any,
        labels: Any,
        learning_rate: float,
        *,
        trace: bool = False,
        stop: int = 0,
    ) -> Update:
        """Make one update with a batch as `DataSet.next_batch` returns it.

        :param trace: let TensorFlow record the time of every op, which changes none of the values.
        :param stop: sent to the other workers, see `Update.stops`.
        """
        feed = {**self.model.feed(images, labels, is_train=True), self._learning_rate: learning_rate}
        news = self.model.loss
        options, metadata = self._run_options, None
        if self._news is not None:
            news, feed[self._stop] = self._news, stop
        if trace:
            options, metadata = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE), v1.RunMetadata()
            if self._run_options is not None:
                options.MergeFrom(self._run_options)
        fetches = [self.optimize, news, self.model.pred]
        _, news, pred = sess.run(fetches, feed, options=options, run_metadata=metadata)
        stats = None if metadata is None else metadata.step_stats
        if self._news is None:
            return Update(news, pred, stats, (stop,))
        return Update(news[0], pred, stats, tuple(news[1:].astype(int).tolist()))

    def non_finite(self, sess: v1.Session) -> str | None:
        """Return the name of a variable that holds NaN or Inf, or None."""
        finite = sess.run(self._are_finite)
        return None if finite.all() else self._floats[int(np.argmin(finite))].op.name


@contextlib.contextmanager
def _gradients_explained() -> Iterator[None]:
    """Say what to do if TensorFlow cannot add the gradients to the part of the graph that a session has seen."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if "output_all_intermediates" not in str(error):
            raise
        raise UsageError(
            "the session ran before the Optimizer was built, and TensorFlow cannot add the gradients of "
            "conditionals, such as those of batch norm, to what a session has run; build the Optimizer first, or "
            "restore or load the weights in a new session"
        ) from error


def gradients(
    model: ConvNet,
    loss: tf.Tensor,
    *,
    clip_norm: float | None = None,
    weight_decay: bool = True,
    workers: Alone = ALONE,
) -> list[tuple[tf.Tensor, tf.Variable]]:
    """Return pairs of gradient and variable, for the trained variables that `loss` depends on.

    :param clip_norm: scale the gradients down to this global norm.
    :param weight_decay: False leaves out the share of the model's `penalty`.
    :param workers: over whom the gradients are summed, each weighted by its share of the batch; the share of the
        penalty is added after that.
    """
    variables = model.trainable_variables
    # A reference variable is read in place: its update must wait for all gradients that are computed from it.
    has_references = any(v.dtype != v.dtype.base_dtype for v in variables)
    found = tf.gradients(
        loss, variables, workers.weight(), stop_gradients=[model.penalty], gate_gradients=has_references
    )
    sums = iter(workers.summed([gradient for gradient in found if gradient is not None]))
    found = [None if gradient is None else next(sums) for gradient in found]
    [decay] = tf.gradients(loss, model.penalty)
    if weight_decay and decay is not None:
        found = _with_decay(model, found, decay)
    pairs = [(g, v) for g, v in zip(found, variables, strict=True) if g is not None]
    if clip_norm is None:
        return pairs
    clipped, _ = tf.clip_by_global_norm([g for g, _ in pairs], clip_norm)
    return [(g, v) for g, (_, v) in zip(clipped, pairs, strict=True)]


def _with_decay(model: ConvNet, found: list[tf.Tensor | None], decay: tf.Tensor) -> list[tf.Tensor | None]:
    """Add `decay` times the variable to the gradient of every decayed variable.

    TensorFlow's gradient of the penalty has the same bits, but TensorFlow may compute it for all variables when the
    step begins, and then it takes memory beside all activations: 218 MB for AlexNet.
    """
    decayed = {id(v) for v in model.decayed_variables}
    sums = []
    for gradient, variable in zip(found, model.trainable_variables, strict=True):
        if id(variable) in decayed:
            with tf.control_dependencies([] if gradient is None else [gradient]):
                share = decay * variable
            gradient = share if gradient is None else gradient + share
        sums.append(gradient)
    return sums
