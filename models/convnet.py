"""ConvNet: the base class of every network. A subclass only writes `_build_model`."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Integral
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph import building
from models.graph.building import AddedItems
from models.graph.errors import explained
from models.graph.folded import Frozen, frozen_session
from models.graph.freezing import Freezing
from models.graph.losses import cross_entropy
from models.inputs import ImageArray, one_hot, scaled_mean
from models.options import accepted, bound, check, check_among, reject_unknown, suggestion

logger = logging.getLogger(__name__)

COMPUTE_DTYPES = {"float32": tf.float32, "bfloat16": tf.bfloat16}


class ConvNet(ABC):
    """A classifier in an explicit graph.

    :cvar head: the variable scope of the last layer, which depends on the number of classes. An instance has it
        with the scopes that are around the network.
    :ivar options: precision, seed, and the options of `_build_model` and `_build_loss`, as they were built with.
    :ivar graph: the graph that holds the network: the current one, see `models.graph.building.current_graph`.
    :ivar images: uint8 placeholder (N, H, W, C), pixels in [0, 255].
    :ivar X: float32 (N, H, W, C) in [0, 1], computed from `images`; may be fed in their place.
    :ivar inputs: the input of the first layer: X minus the mean, in the compute dtype.
    :ivar y: float32 placeholder (N, K), one-hot labels.
    :ivar is_train: bool scalar, False unless fed.
    :ivar d: the tensors that `_build_model` named, and always 'logits' and 'pred'.
    :ivar logits: float32 (N, K).
    :ivar pred: float32 (N, K), softmax probabilities.
    :ivar loss: float32 scalar that training minimises: the loss of `_build_loss`, plus the losses that building
        added to TensorFlow's collections (`regularizer=` of a variable, `tf.losses.add_loss`) unless it contains
        them already.
    :ivar input_shape: (H, W, C) of one image. num_classes: K.
    :ivar global_step: int64 variable, the number of updates, which the optimizer counts.
    :ivar variables: the variables of this network alone, with batch-norm statistics, scale and mean.
    :ivar trainable_variables: the variables that training changes.
    :ivar update_ops: updates of the batch-norm statistics; the optimizer runs them with every step.
    :ivar frozen_variables: the variables that the option `freeze` keeps from training.
    :ivar weight_decay: L2 coefficient. decayed_variables: the variables that it applies to.
    :ivar penalty: float32 scalar, sum(v ** 2) / 2 over `decayed_variables`; `loss` has it times `weight_decay`.
    """

    head = "fc"
    _frozen: Frozen | None = None  # kept by frozen_session

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        *,
        image_mean: Any = 0.0,
        precision: Literal["float32", "bfloat16"] = "float32",
        seed: int = 0,
        freeze: str | None = None,
        **hp: Any,
    ) -> None:
        """Build the graph.

        :param input_shape: (H, W, C) of one input image.
        :param num_classes: K.
        :param image_mean: subtracted from X: a scalar, (C,) or (H, W, C), in [0, 1]. A mean with a value above 1
            must be one of 0-255 pixels, and is divided by 255. It is a variable, saved with the weights.
        :param precision: dtype of the computation; variables, logits and loss are always float32.
        :param seed: seed of the initial weights and the dropout masks.
        :param freeze: what training does not change: "head-only", all but the variables of the last layer (`head`);
            a regular expression, the variables whose names it matches somewhere; None, nothing. A batch norm whose
            gamma is frozen uses and keeps its moving statistics, if it is `models.layers.batch_norm`; another norm
            keeps them, but normalises in training as its own code says.
        :param hp: options of `_build_model` and `_build_loss`, by their parameters' names. Options of other
            parts (the post's flat dictionary) are ignored.
        :raises TypeError: an option is unknown, or `_build_model` returns no 'logits'.
        :raises ValueError: an option has a wrong value, or (BuildError) building fails in a subclass's code.
        """
        reject_unknown(hp, type(self).__name__, self._build_model, self._build_loss)
        check_among("precision", precision, COMPUTE_DTYPES)
        self.input_shape = tuple(int(size) for size in input_shape)
        self.num_classes = int(num_classes)
        self.graph = building.current_graph()
        mean = scaled_mean(image_mean)
        options = {"image_mean": mean, "precision": precision, "seed": seed, **hp}
        self.options: dict[str, Any] = {"precision": precision, "seed": seed, "freeze": freeze}
        self.options |= bound(self._build_model, options) | bound(self._build_loss, options)
        with self.graph.as_default():
            self.head = "/".join(filter(None, (v1.get_variable_scope().name, self.head)))
        self._freezing = Freezing(freeze, self.head)
        with self.graph.as_default(), building.seeded(self.graph, seed), self._freezing.creating():
            self.global_step = building.global_step()
            added = AddedItems()
            with explained():
                self._build_inputs(mean, COMPUTE_DTYPES[precision])
                d = self._build_model(**accepted(self._build_model, options))
            self.d = self._build_outputs(d)
            self.logits, self.pred = self.d["logits"], self.d["pred"]
            self._take(added, self.logits)
            self.weight_decay, self.decayed_variables = 0.0, list[tf.Variable]()
            self.penalty = tf.zeros([])
            with explained():
                loss = self._build_loss(**accepted(self._build_loss, options))
            self.loss = _with_losses(loss, added.of(*building.LOSSES))
            self._take(added, self.logits, self.loss)  # a loss may have variables of its own
        self.frozen_variables = self._freezing.of(self.variables)

    def _take(self, added: AddedItems, *tensors: tf.Tensor) -> None:
        """Collect what was added to the graph, and the older variables that `tensors` are computed from."""
        self.variables = added.of(v1.GraphKeys.GLOBAL_VARIABLES)
        known = {id(v) for v in (*self.variables, self.global_step)}
        self.variables += [v for v in building.variables_behind(*tensors) if id(v) not in known]
        mine = {id(v) for v in self.variables}
        self.trainable_variables = [v for v in v1.trainable_variables() if id(v) in mine]
        self.update_ops = self._freezing.without_updates(added.of(v1.GraphKeys.UPDATE_OPS))

    def _build_inputs(self, mean: np.ndarray, compute_dtype: tf.DType) -> None:
        """Build placeholders and preprocessing. Scale and mean are variables, to be saved with the weights."""
        self.images = v1.placeholder(tf.uint8, [None, *self.input_shape], name="images")
        self.y = v1.placeholder(tf.float32, [None, self.num_classes], name="y")
        self.is_train = v1.placeholder_with_default(False, [], name="is_train")
        shape = mean.shape or (self.input_shape[-1],)
        with v1.variable_scope("preprocessing"):
            scale = building.constant_variable("scale", np.float32(1.0 / 255.0))
            offset = building.constant_variable("mean", np.broadcast_to(mean, shape))
        self.X = tf.multiply(tf.cast(self.images, tf.float32), scale, name="X")
        offset = tf.broadcast_to(offset, self.input_shape)  # once: repeating it for every image is slow
        self.inputs = tf.cast(self.X - offset, compute_dtype)

    def _build_outputs(self, d: Any) -> dict[str, tf.Tensor]:
        """Return `d` with float32 logits and, unless the subclass gave 'pred', their softmax."""
        if not isinstance(d, dict) or "logits" not in d:
            found = sorted(d) if isinstance(d, dict) else type(d).__name__
            raise TypeError(
                f"_build_model must return a dict with 'logits', (N, num_classes); {type(self).__name__}'s "
                f"gave {found}"
            )
        logits = tf.cast(d["logits"], tf.float32, name="logits")
        pred = d["pred"] if "pred" in d else tf.nn.softmax(logits)
        for name, tensor in (("logits", logits), ("pred", pred)):
            if not tensor.shape.is_compatible_with([None, self.num_classes]):
                raise ValueError(
                    f"{name} of {type(self).__name__} have the shape {tensor.shape}; it must be "
                    f"(None, {self.num_classes}): end in fc_layer(x, self.num_classes)"
                )
        return {**d, "logits": logits, "pred": tf.cast(pred, tf.float32, name="pred")}

    @abstractmethod
    def _build_model(self, *args: Any, **hp: Any) -> dict[str, tf.Tensor]:
        """Build the layers on `self.inputs`, and return tensors by name, 'logits' (N, K) among them.

        A subclass names its options as keyword parameters with defaults.
        """

    def _build_loss(
        self,
        weight_decay: float = 0.0005,
        weight_decay_on: Literal["all", "weights"] = "all",
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> tf.Tensor:
        """Return the mean softmax cross-entropy plus weight_decay * sum(v ** 2) / 2 over the decayed variables.

        :param weight_decay: L2 coefficient, as in the AlexNet post.
        :param weight_decay_on: 'all' trainable variables, biases included, as the post silently does;
            'weights' leaves out vectors and scalars, such as biases and batch-norm parameters.
        :param label_smoothing: see `models.graph.losses.cross_entropy`.
        :param class_weights: K weights, see `models.graph.losses.cross_entropy`; None: all are 1.
        """
        check_among("weight_decay_on", weight_decay_on, ("all", "weights"))
        losses = cross_entropy(self.y, self.logits, label_smoothing, class_weights)
        data_loss = tf.reduce_mean(losses, name="data_loss")
        self.weight_decay = float(weight_decay)
        self.decayed_variables = [
            v for v in self.trainable_variables if weight_decay_on == "all" or (v.shape.rank or 0) > 1
        ]
        if self.weight_decay == 0.0 or not self.decayed_variables:
            return data_loss
        self.penalty = tf.add_n([tf.nn.l2_loss(v) for v in self.decayed_variables])
        return tf.add(data_loss, self.weight_decay * self.penalty, name="loss")

    @property
    def num_parameters(self) -> int:
        """Return the number of trained parameters."""
        return sum(int(np.prod(v.shape.as_list())) for v in self.trainable_variables)

    def feed(
        self, images: np.ndarray, labels: np.ndarray | None = None, is_train: bool = False
    ) -> dict[tf.Tensor, Any]:
        """Return the feed dictionary of one batch, for `Session.run`.

        :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1]; or `d['features']`, (N, D).
        :param labels: (N, K) one-hot or (N,) class numbers from 0; None for predictions.
        :param is_train: turn dropout on, and normalise with the batch's own statistics.
        :raises ValueError: a class number below 0 or beyond the last class, or (N, D) that are not features.
        """
        source = self.images if images.dtype == np.uint8 else self.X
        if images.ndim == 2:
            source = self._features_like(images)
        values = {source: images, self.is_train: is_train}
        if labels is not None:
            values[self.y] = one_hot(labels, self.num_classes)
        return values

    def _features_like(self, values: np.ndarray) -> tf.Tensor:
        """Return the tensor of features; raise ValueError if `values` are not such."""
        features = self.d.get("features")
        if features is None or not features.shape.is_compatible_with(values.shape):
            shapes = f"images (N, {', '.join(map(str, self.input_shape))})"
            if features is not None and features.shape.rank == 2:
                shapes += f" or features (N, {features.shape[-1]})"
            raise ValueError(f"images have the shape {values.shape}; {type(self).__name__} takes {shapes}")
        return features

    def predict(
        self,
        sess: v1.Session,
        dataset: Any,
        verbose: bool = False,
        *,
        batch_size: int = 256,
        augment_pred: bool = True,
        progress: Callable[[Sequence[int]], Iterable[int]] | None = None,
        **hp: Any,
    ) -> np.ndarray:
        """Return the class probabilities of every image, in order. The data set's training cursor does not move.

        :param dataset: a `datasets.dataset.DataSet`, whose labels are ignored; or an array of images of the
            network's size, (N, H, W, C), uint8 in [0, 255] or float in [0, 1].
        :param verbose: log how long it took.
        :param batch_size: the most images, or crops, in one run of the graph.
        :param augment_pred: average over the test crops of each image (`DataSet.num_crops`) instead of taking the
            centre crop.
        :param progress: wraps the sequence of chunks to show progress, as `rich.progress.track` does.
        :return: float32 (N, num_classes).
        """
        reject_unknown(hp, f"{type(self).__name__}.predict")
        start_time = time.perf_counter()
        predictions = self._over_images(
            sess, dataset, self._predict_crops, batch_size, augment_pred, progress
        )
        if verbose:
            seconds = time.perf_counter() - start_time
            logger.info("predicted %d images in %.1f s", len(predictions), seconds)
        return predictions if len(predictions) else np.empty((0, self.num_classes), np.float32)  # (N, K)

    def compute(
        self,
        sess: v1.Session,
        name: str,
        dataset: Any,
        *,
        batch_size: int = 256,
        augment_pred: bool = False,
        progress: Callable[[Sequence[int]], Iterable[int]] | None = None,
    ) -> np.ndarray:
        """Return a tensor of `d` for every image, in order, such as 'features', the input of the last layer.

        :param name: a key of `d`, whose tensor has the images as its first axis.
        :param dataset: as in `predict`; so are batch_size, augment_pred and progress.
        :return: (N, ...) in the tensor's dtype; with `augment_pred` the mean over the test crops, which is float64
            for integers.
        :raises ValueError: `d` has no such tensor.
        """
        if name not in self.d:
            raise ValueError(f"{type(self).__name__} has no tensor {name!r}; {suggestion(name, self.d)}")
        run = partial(self.run_crops, self.d[name])
        values = self._over_images(sess, dataset, run, batch_size, augment_pred, progress)
        sides = self.d[name].shape[1:]
        return (
            values
            if len(values) or not sides.is_fully_defined()
            else np.empty((0, *sides.as_list()), self.d[name].dtype.as_numpy_dtype)
        )

    def _over_images(
        self,
        sess: v1.Session,
        dataset: Any,
        run: Callable[[Any, np.ndarray, int], np.ndarray],
        batch_size: int,
        augment_pred: bool,
        progress: Callable[[Sequence[int]], Iterable[int]] | None,
    ) -> np.ndarray:
        """Return what `run` gives for the crops of all images: (N, ...)."""
        is_size = isinstance(batch_size, Integral) and batch_size > 0
        check(is_size, "batch_size", batch_size, "a positive number of images")
        if not hasattr(dataset, "num_examples"):
            dataset = ImageArray(dataset, self.input_shape)
        crops = getattr(dataset, "num_crops", 10) if augment_pred else 1
        chunk = max(1, batch_size // crops)
        sess = self.session_for(sess, crops * dataset.num_examples)
        parts = [np.empty((0,), np.float32)]
        starts = range(0, dataset.num_examples, chunk)
        for start in starts if progress is None else progress(starts):
            indices = np.arange(start, min(start + chunk, dataset.num_examples))
            images, _ = dataset.batch(indices, augment=augment_pred, is_train=False)
            parts.append(run(sess, images, batch_size))
        return np.concatenate(parts[1:] or parts, axis=0)

    def session_for(self, sess: v1.Session, num_crops: int) -> Any:
        """Return the faster session to predict so many crops with: `sess`, or one with batch norm folded."""
        if type(self)._predict_crops is not ConvNet._predict_crops:  # which may do anything with the session
            return sess
        return frozen_session(sess, self, num_crops)

    def _predict_crops(self, sess: v1.Session, images: np.ndarray, batch_size: int) -> np.ndarray:
        """Return probabilities (N, K) of images (N, h, w, C), or averaged over the crops of (N, P, h, w, C)."""
        return self.run_crops(self.pred, sess, images, batch_size)

    def run_crops(
        self, tensor: tf.Tensor, sess: v1.Session, images: np.ndarray, batch_size: int
    ) -> np.ndarray:
        """Return `tensor` (N, ...) of images (N, h, w, C), or its mean over the crops of (N, P, h, w, C)."""
        if images.ndim in (2, 4):  # features (N, D) or images
            images = images[:, np.newaxis]
        num_images, num_crops = images.shape[:2]
        crops = images.reshape(-1, *images.shape[2:])  # (N * P, h, w, C)
        parts = [
            sess.run(tensor, self.feed(crops[start : start + batch_size]))
            for start in range(0, len(crops), batch_size)
        ]
        values = np.concatenate(parts)
        if num_crops == 1:  # without a mean, which would not keep the dtype of integers
            return values
        return values.reshape(num_images, num_crops, *values.shape[1:]).mean(axis=1)


def _with_losses(loss: tf.Tensor, collected: Sequence[tf.Tensor]) -> tf.Tensor:
    """Add the collected losses that `loss` does not contain."""
    missing = [tf.cast(term, loss.dtype) for term in building.not_contained(collected, loss)]
    return tf.add_n([loss, *missing], name="loss_with_collected") if missing else loss
