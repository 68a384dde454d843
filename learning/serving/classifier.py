"""The network of a run, ready to answer: from the bytes of files to probabilities."""

from typing import Any, NamedTuple

from learning.inference.trained import load_run  # before any other module imports TensorFlow

# isort: split
import numpy as np

from datasets.dataset import DataSet
from datasets.images.decode import read_resized
from datasets.images.resizing import resize_image
from learning.errors import NonFiniteError
from learning.runs.directory import RunDirectory

MANY = 2**20  # crops: as many as a server may answer, so that folding batch norm pays


class Job(NamedTuple):
    """An image to label, (H, W, C) uint8 of the run's image_size."""

    image: np.ndarray
    has_pictures: bool = False


class Answer(NamedTuple):
    """The probabilities of an image's classes, (K,) float32."""

    probabilities: np.ndarray


class Classifier:
    """A trained network and the preprocessing of its run.

    Images are decoded, resized and cropped by the code that `predict.py` uses. `decode` and `resize` may be called
    from several threads at a time, `answer` from one.

    :ivar class_names: the K classes, in the order of the probabilities.
    :ivar image_shape: (H, W, C) of the images before they are cropped.
    """

    def __init__(self, run: RunDirectory, *, ten_crop: bool = False) -> None:
        """Load the selected weights of a run, and predict once.

        :param ten_crop: average over all test crops, which is slower and better.
        """
        self.class_names = run.class_names
        self._data, self._ten_crop = run.config.data, ten_crop
        self.batch_size = run.config.train.batch_size
        self._model, sess, self.epoch = load_run(run)
        self._sess = self._model.session_for(sess, MANY)
        self.image_shape = (*self._data.image_sides, self._model.input_shape[-1])
        self.answer([Job(np.zeros(self.image_shape, np.uint8))])

    def decode(self, content: bytes) -> np.ndarray:
        """Return the image in a file: (H, W, C) uint8 of `image_shape`.

        :raises ImageError: it cannot be read.
        """
        data = self._data
        return read_resized(content, data.image_size, channels=self.image_shape[-1], fit=data.resize)

    def resize(self, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, C) uint8 of any size in the size of `image_shape`."""
        height, width, _ = self.image_shape
        if image.shape == self.image_shape:
            return image
        return resize_image(image, height, width, self._data.resize)

    def answer(self, jobs: list[Job]) -> list[Answer]:
        """Return the answer to each job; all go through the network together.

        :raises NonFiniteError: the network computes NaN.
        """
        dataset = DataSet(np.stack([job.image for job in jobs]), crops=self._data.crops)
        pred: Any = self._model.predict(
            self._sess, dataset, batch_size=self.batch_size, augment_pred=self._ten_crop
        )
        if not np.isfinite(pred).all():
            raise NonFiniteError("the network computes probabilities that are not finite; train it again")
        return [Answer(row) for row in pred]

    def close(self) -> None:
        """Close the session."""
        self._sess.close()
