"""ConvNet: the base class of every network. A subclass writes `_build_model`; the rest stands here."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.frozen import Frozen, frozen_session
from models.graph.building import (
    LOSSES,
    AddedItems,
    current_graph,
    global_step,
    not_contained,
    seeded,
    variables_behind,
)
from models.graph.errors import explained
from models.options import accepted, bound, check_among, reject_unknown

logger = logging.getLogger(__name__)

COMPUTE_DTYPES = {"float32": tf.float32, "bfloat16": tf.bfloat16}


class ConvNet(ABC):
    """A classifier in an explicit graph.

    :ivar options: what it was built with: precision, seed, and the options of `_build_model` and `_build_loss`.
    :ivar graph: the graph that holds it: the current one, see `models.graph.building.current_graph`.
    :ivar images: uint8 placeholder (N, H, W, C), pixels in [0, 255].
    :ivar X: float32 (N, H, W, C) in [0, 1], computed from `images`; may be fed instead of them.
    :ivar inputs: what the first layer should take: X minus the mean, in the compute dtype.
    :ivar y: float32 placeholder (N, K), one-hot labels.
    :ivar is_train: bool scalar, False unless fed.
    :ivar d: the tensors that `_build_model` named; always 'logits' and 'pred'.
    :ivar logits: float32 (N, K).
    :ivar pred: float32 (N, K), softmax probabilities.
    :ivar loss: float32 scalar, what training minimises: what `_build_loss` returns, and the losses that building
        added to TensorFlow's collections (`regularizer=` of a variable, `tf.losses.add_loss`) where they are not
        contained in it.
    :ivar input_shape: (H, W, C) of one image. num_classes: K.
    :ivar global_step: int64 variable, the number of updates; the optimizer counts it.
    :ivar variables: of this network alone, with batch-norm statistics, scale and mean.
    :ivar trainable_variables: those of them that training changes.
    :ivar update_ops: of the batch-norm statistics; the optimizer runs them with every update.
    :ivar weight_decay: L2 coefficient. decayed_variables: those that it holds for.
    :ivar penalty: float32 scalar, sum(v ** 2) / 2 over `decayed_variables`; in `loss`, times `weight_decay`.
    """

    _frozen: Frozen | None = None  # kept by frozen_session

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        *,
        image_mean: Any = 0.0,
        precision: Literal["float32", "bfloat16"] = "float32",
        seed: int = 0,
        **hp: Any,
    ) -> None:
        """Build the graph.

        :param input_shape: (H, W, C) of one input image.
        :param num_classes: K.
        :param image_mean: subtracted from X: a scalar, (C,) or (H, W, C), in [0, 1]. A mean with a value above 1
            can only be one of 0-255 pixels, and is divided by 255. Kept in a variable and saved with the weights.
        :param precision: dtype of the computation; variables, logits and loss are float32 in any case.
        :param seed: of the initial weights and the dropout masks.
        :param hp: options of `_build_model` and `_build_loss`, by their parameters' names. Options of other
            parts (the post's flat dictionary) are passed over.
        :raises TypeError: an unknown option, or `_build_model` returns no 'logits'.
        :raises ValueError: an option has a value that the network cannot have, or (BuildError) building fails in
            the code of a subclass.
        """
        reject_unknown(hp, type(self).__name__, self._build_model, self._build_loss)
        check_among("precision", precision, COMPUTE_DTYPES)
        self.input_shape = tuple(int(size) for size in input_shape)
        self.num_classes = int(num_classes)
        self.graph = current_graph()
        mean = _scaled_mean(image_mean)
        options = {"image_mean": mean, "precision": precision, "seed": seed, **hp}
        self.options = {"precision": precision, "seed": seed}
        self.options |= bound(self._build_model, options) | bound(self._build_loss, options)
        with self.graph.as_default(), seeded(self.graph, seed):
            self.global_step = global_step()
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
            self.loss = _with_losses(loss, added.of(*LOSSES))
            self._take(added, self.logits, self.loss)  # a loss may have variables of its own

    def _take(self, added: AddedItems, *tensors: tf.Tensor) -> None:
        """Take what was added to the graph, and shared variables: those that were there and are computed from."""
        self.variables = added.of(v1.GraphKeys.GLOBAL_VARIABLES)
        known = {id(v) for v in (*self.variables, self.global_step)}
        self.variables += [v for v in variables_behind(*tensors) if id(v) not in known]
        mine = {id(v) for v in self.variables}
        self.trainable_variables = [v for v in v1.trainable_variables() if id(v) in mine]
        self.update_ops = added.of(v1.GraphKeys.UPDATE_OPS)

    def _build_inputs(self, mean: np.ndarray, compute_dtype: tf.DType) -> None:
        """Placeholders and preprocessing. Scale and mean are variables, so that they travel with the weights."""
        self.images = v1.placeholder(tf.uint8, [None, *self.input_shape], name="images")
        self.y = v1.placeholder(tf.float32, [None, self.num_classes], name="y")
        self.is_train = v1.placeholder_with_default(False, [], name="is_train")
        shape = mean.shape or (self.input_shape[-1],)
        with v1.variable_scope("preprocessing"):
            scale = _constant_variable("scale", np.float32(1.0 / 255.0))
            offset = _constant_variable("mean", np.broadcast_to(mean, shape))
        self.X = tf.multiply(tf.cast(self.images, tf.float32), scale, name="X")
        # Spread over the pixels first: to repeat three numbers for every pixel of every image is slow.
        offset = tf.broadcast_to(offset, self.input_shape)
        self.inputs = tf.cast(self.X - offset, compute_dtype)

    def _build_outputs(self, d: Any) -> dict[str, tf.Tensor]:
        """Logits in float32 whatever the layers compute in, and the softmax where the subclass gave none."""
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
        """Build the layers on `self.inputs`; return the tensors to keep by name, 'logits' (N, K) among them.

        A subclass names its options as keyword parameters with defaults.
        """

    def _build_loss(
        self, weight_decay: float = 0.0005, weight_decay_on: Literal["all", "weights"] = "all"
    ) -> tf.Tensor:
        """Mean softmax cross-entropy plus weight_decay * sum(v ** 2) / 2 over the decayed variables.

        :param weight_decay: L2 coefficient, as in the AlexNet post.
        :param weight_decay_on: 'all' trainable variables, biases included, as the post silently does;
            'weights' leaves out vectors and scalars, as biases and batch-norm parameters are, whatever their names.
        """
        check_among("weight_decay_on", weight_decay_on, ("all", "weights"))
        losses = tf.nn.softmax_cross_entropy_with_logits(labels=self.y, logits=self.logits)
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
        """Number of trained parameters."""
        return sum(int(np.prod(v.shape.as_list())) for v in self.trainable_variables)

    def feed(
        self, images: np.ndarray, labels: np.ndarray | None = None, is_train: bool = False
    ) -> dict[tf.Tensor, Any]:
        """The feed dictionary of one batch.

        :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1].
        :param labels: (N, K) one-hot or (N,) class numbers from 0; None where only predictions are asked for.
        :param is_train: dropout drops, and normalisation takes the batch's own statistics.
        :return: placeholders and their values, for `Session.run`.
        :raises ValueError: a class number below 0 or beyond the last class.
        """
        values = {self.images if images.dtype == np.uint8 else self.X: images, self.is_train: is_train}
        if labels is not None:
            values[self.y] = one_hot(labels, self.num_classes)
        return values

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
        """Class probabilities of every image of `dataset`, in its order; its training cursor stays where it is.

        :param dataset: a `datasets.dataset.DataSet`, whose labels are not looked at; or an array of images of the
            network's own size, (N, H, W, C), uint8 in [0, 255] or float in [0, 1].
        :param verbose: log how long it took.
        :param batch_size: the most images, or crops, in one run of the graph.
        :param augment_pred: average over the test crops of each image (`DataSet.num_crops`) instead of taking the
            centre.
        :param progress: wraps the sequence of chunks to show how far it is, as `rich.progress.track` does.
        :return: float32 (N, num_classes).
        """
        reject_unknown(hp, f"{type(self).__name__}.predict")
        start_time = time.perf_counter()
        if not hasattr(dataset, "num_examples"):
            dataset = ImageArray(dataset, self.input_shape)
        crops = getattr(dataset, "num_crops", 10) if augment_pred else 1
        chunk = max(1, batch_size // crops)
        # A subclass with a `_predict_crops` of its own may do anything with the session.
        if type(self)._predict_crops is ConvNet._predict_crops:
            sess = frozen_session(sess, self, crops * dataset.num_examples)
        predictions = [np.empty((0, self.num_classes), np.float32)]
        starts = range(0, dataset.num_examples, chunk)
        for start in starts if progress is None else progress(starts):
            indices = np.arange(start, min(start + chunk, dataset.num_examples))
            images, _ = dataset.batch(indices, augment=augment_pred, is_train=False)
            predictions.append(self._predict_crops(sess, images, batch_size))
        if verbose:
            seconds = time.perf_counter() - start_time
            logger.info("predicted %d images in %.1f s", dataset.num_examples, seconds)
        return np.concatenate(predictions, axis=0)  # (N, K)

    def _predict_crops(self, sess: v1.Session, images: np.ndarray, batch_size: int) -> np.ndarray:
        """Probabilities (N, K) of images (N, h, w, C), or averaged over the crops of (N, P, h, w, C)."""
        if images.ndim == 4:
            images = images[:, np.newaxis]
        num_images, num_crops = images.shape[:2]
        crops = images.reshape(-1, *images.shape[2:])  # (N * P, h, w, C)
        parts = [
            sess.run(self.pred, self.feed(crops[start : start + batch_size]))
            for start in range(0, len(crops), batch_size)
        ]
        return np.concatenate(parts).reshape(num_images, num_crops, -1).mean(axis=1)


class ImageArray:
    """Images without a DataSet, as `ConvNet.predict` takes them: each image is its only crop.

    :raises ValueError: images of another shape than `input_shape`, (H, W, C), of another kind than uint8 or float,
        or floats outside [0, 1].
    """

    num_crops = 1

    def __init__(self, images: Any, input_shape: tuple[int, ...]) -> None:
        self._images = np.asarray(images)
        self.num_examples = len(self._images) if self._images.ndim else 0
        if self._images.shape[1:] != input_shape:
            raise ValueError(
                f"images of shape {self._images.shape}; the network takes (N, {', '.join(map(str, input_shape))}): "
                "give one image as image[np.newaxis], and images of another size as a DataSet, which crops them"
            )
        if self._images.dtype == np.uint8:
            return
        if not np.issubdtype(self._images.dtype, np.floating):
            raise ValueError(
                f"images of dtype {self._images.dtype}; give uint8 in [0, 255] or float in [0, 1]"
            )
        if self._images.size and not (self._images.min() >= -0.001 and self._images.max() <= 1.001):
            raise ValueError(
                f"float images from {self._images.min():g} to {self._images.max():g}; give values in [0, 1], or "
                "uint8 in [0, 255]"
            )

    def batch(self, indices: np.ndarray, **_: Any) -> tuple[np.ndarray, None]:
        """The chosen images."""
        return self._images[indices], None


def one_hot(labels: Any, num_classes: int) -> np.ndarray:
    """Return labels as (N, K): those that are it already, and class numbers from 0, (N,) or (N, 1).

    :raises ValueError: a class number below 0 or beyond the last class; the first one is named.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1 < num_classes:
        labels = labels[:, 0]
    if labels.ndim != 1:
        return labels
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes) | (labels % 1 != 0))
    if wrong.size:
        raise ValueError(
            f"label {wrong[0]} is {labels[wrong[0]]}; the classes of this network are numbered from 0 to "
            f"{num_classes - 1}"
        )
    return np.eye(num_classes, dtype=np.float32)[labels.astype(np.int64)]


def _scaled_mean(image_mean: Any) -> np.ndarray:
    """The mean in [0, 1]; one with a value above 1 can only be of pixels in [0, 255]."""
    mean = np.asarray(image_mean, np.float32)
    return mean / np.float32(255.0) if mean.size and mean.max() > 1.0 else mean


def _with_losses(loss: tf.Tensor, collected: Sequence[tf.Tensor]) -> tf.Tensor:
    """`loss` plus those of the collected losses that it is not computed from."""
    missing = [tf.cast(term, loss.dtype) for term in not_contained(collected, loss)]
    return tf.add_n([loss, *missing], name="loss_with_collected") if missing else loss


def _constant_variable(name: str, value: np.ndarray) -> tf.Variable:
    """A float32 variable that is saved but not trained, starting at `value`."""
    return v1.get_variable(
        name,
        initializer=tf.constant(value, tf.float32),
        trainable=False,
        use_resource=True,
    )
