"""Write events for TensorBoard: scores, images, norms of gradients and weights, confusion matrices, options."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from PIL import Image
from sklearn.metrics import confusion_matrix

from datasets.dataset import DataSet
from datasets.errors import encodable
from learning.callbacks import Callback, Training
from learning.evaluators import class_indices
from learning.extras import require_packages
from learning.pictures.in_memory import heat_map, png
from learning.tracking.options import plain_options
from models.runtime.tensorflow_paths import plain_folder

NUM_IMAGES = 8  # of training images
MOST_IMAGES = 2000  # of the validation set, in a confusion matrix
MIN_SIDE = 240  # pixels of a picture, for which small ones are enlarged
BUCKETS = 30  # of a histogram


class TensorBoard(Callback):
    """Writes an event file to the run directory, at the steps of the epochs' last updates.

    Each epoch has the floats of its row, and histograms of the norms of all trained variables and of their
    gradients for one batch, always of the same images. The first event has some training images as the network sees
    them, and the options (for the tab HPARAMS). Each epoch with a better score has a confusion matrix of the
    validation images' centre crops. So each epoch takes one update longer, and one with a better score also
    predicts up to 2,000 images.

    :param gradients: pairs of gradient and variable, as they were built for the update; others would have to be
        built before the session runs. Empty if the update rule does not show them.
    :raises UsageError: TensorBoard is not installed.
    """

    def __init__(
        self,
        train_set: DataSet,
        val_set: DataSet | None = None,
        gradients: Sequence[tuple[tf.Tensor, tf.Variable]] = (),
    ) -> None:
        require_packages("the callback TensorBoard", ["tensorboard"], "tensorboard")
        self._train_set, self._val_set, self._gradients = train_set, val_set, gradients
        self._opened = contextlib.ExitStack()
        self._norms: dict[str, tf.Tensor] = {}

    def on_start(self, training: Training) -> None:
        folder = self._opened.enter_context(plain_folder(training.save_dir))
        self._writer = v1.summary.FileWriter(folder)
        self._opened.callback(self._writer.close)
        with training.model.graph.as_default():
            gradients, variables = [g for g, _ in self._gradients], training.model.trainable_variables
            self._norms = {"weights": _norms(variables)} | (
                {"gradients": _norms(gradients)} if gradients else {}
            )
        self._add(training.global_step, *self._images(training))
        self._writer.add_summary(_options(training), training.global_step)

    def on_epoch(self, training: Training) -> None:
        row = training.history[-1]
        floats = {key: value for key, value in row.items() if isinstance(value, float)}
        values = [v1.Summary.Value(tag=key, simple_value=value) for key, value in floats.items()]
        values += self._histograms(training)
        if training.improved and self._val_set is not None:
            values.append(self._matrix(training, self._val_set))
        self._add(row["step"], *values)
        self._writer.flush()

    def on_stop(self, training: Training) -> None:
        self._opened.close()

    def _add(self, step: int, *values: v1.Summary.Value) -> None:
        self._writer.add_summary(v1.Summary(value=values), step)

    def _images(self, training: Training) -> list[v1.Summary.Value]:
        """Return training images as the network sees them in the first epoch."""
        indices = _spread(self._train_set, NUM_IMAGES)
        images, _ = self._train_set.batch(indices, augment=training.config.train.augment_train, is_train=True)
        if images.ndim != 4:  # features
            return []
        pixels = images if images.dtype == np.uint8 else np.round(images * 255).astype(np.uint8)
        return [_image(f"training images/{k}", image) for k, image in enumerate(pixels)]

    def _histograms(self, training: Training) -> list[v1.Summary.Value]:
        """Return histograms of the norms of weights and gradients; nothing is updated."""
        train = training.config.train
        images, labels = self._train_set.batch(
            _spread(self._train_set, train.batch_size), augment=train.augment_train, is_train=True
        )
        found = training.sess.run(self._norms, training.model.feed(images, labels, is_train=True))
        return [_histogram(f"norms/{name}", values) for name, values in found.items()]

    def _matrix(self, training: Training, val_set: DataSet) -> v1.Summary.Value:
        """Return the confusion matrix of the validation images, as a picture."""
        part = val_set.subset(_spread(val_set, MOST_IMAGES))
        num_classes = training.model.num_classes
        pred = training.model.predict(
            training.sess, part, batch_size=training.config.train.batch_size, augment_pred=False
        )
        truth = class_indices(part.labels, num_classes)
        matrix = confusion_matrix(truth, pred.argmax(axis=1), labels=range(num_classes))
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (K, K)
        picture = Image.fromarray(heat_map(shares))
        on_white = Image.new("RGBA", picture.size, "white")
        on_white.alpha_composite(picture)
        return _image("confusion matrix", np.asarray(on_white.convert("RGB")))


def _spread(dataset: DataSet, count: int) -> np.ndarray:
    """Return at most `count` indices, evenly from a whole set."""
    num_examples = dataset.num_examples
    return np.linspace(0, num_examples - 1, min(count, num_examples)).astype(int)


def _norms(tensors: Sequence[Any]) -> tf.Tensor:
    """Return the Euclidean norm of each tensor, in one vector."""
    return tf.stack([tf.norm(tf.cast(tf.convert_to_tensor(tensor), tf.float32)) for tensor in tensors])


def _image(tag: str, pixels: np.ndarray) -> v1.Summary.Value:
    """Return a picture of uint8 (H, W, C), small ones enlarged without smoothing."""
    factor = max(1, MIN_SIDE // max(pixels.shape[:2]))
    large = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width, channels = large.shape
    image = v1.Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png(large))
    return v1.Summary.Value(tag=tag, image=image)


def _histogram(tag: str, values: np.ndarray) -> v1.Summary.Value:
    """Return a histogram of finite values (N,)."""
    values = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(values, bins=BUCKETS)
    histogram = v1.HistogramProto(
        min=values.min(initial=np.inf),
        max=values.max(initial=-np.inf),
        num=len(values),
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )
    return v1.Summary.Value(tag=tag, histo=histogram)


def _options(training: Training) -> v1.Summary:
    """Return the options of the run and the time, for TensorBoard's tab HPARAMS."""
    from tensorboard.plugins.hparams import api  # whose library is an extra

    name, options = encodable(training.save_dir.name), plain_options(training.config.as_dict())
    summary = api.hparams_pb(options, trial_id=name, start_time_secs=time.time())
    return v1.Summary.FromString(summary.SerializeToString())
