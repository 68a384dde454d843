"""The network of a run, ready to answer: from the bytes of files to probabilities."""

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from learning.inference.trained import load_run  # before any other module imports TensorFlow

# isort: split
import numpy as np

from datasets.dataset import DataSet
from datasets.images.decode import read_resized
from datasets.images.resizing import resize_image
from learning.errors import NonFiniteError, UsageError
from learning.inference.explanation import GradCam
from learning.inference.temperature import read_temperature, use_temperature
from learning.runs.directory import RunDirectory
from models.convnet import ConvNet

MANY = 2**20  # crops: as many as a server may answer, so that folding batch norm pays

logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """An image to label, (H, W, C) uint8 of the run's image_size, and whether pictures are asked for."""

    image: np.ndarray
    has_pictures: bool = False


class Answer(NamedTuple):
    """The answer for an image.

    :ivar probabilities: (K,) float32.
    :ivar crop: uint8 (h, w, C), what the network saw; None without pictures.
    :ivar heat: float32 (h, w) in [0, 1], which parts support the best class; None without pictures or feature map.
    """

    probabilities: np.ndarray
    crop: np.ndarray | None = None
    heat: np.ndarray | None = None


class Classifier:
    """A trained network and the preprocessing of its run.

    Images are decoded, resized and cropped by the code that `predict.py` uses. `decode` and `resize` may be called
    from several threads at a time, `answer` from one.

    :ivar class_names: the K classes, in the order of the probabilities.
    :ivar image_shape: (H, W, C) of the images before they are cropped.
    """

    def __init__(self, run: RunDirectory, *, ten_crop: bool = False, is_calibrated: bool = False) -> None:
        """Load the selected weights of a run, and predict once.

        :param ten_crop: average over all test crops, which is slower and better.
        :param is_calibrated: divide the logits by the run's temperature.
        :raises CheckpointError: there are no weights, or no temperature.
        """
        self.class_names = run.class_names
        self._data, self._ten_crop = run.config.data, ten_crop
        self.batch_size = run.config.train.batch_size
        self._model, self._plain_sess, epoch = load_run(run)
        if is_calibrated:
            use_temperature(self._model, read_temperature(run, epoch))
        self._grad_cam = _grad_cam(self._model)
        self._sess = self._model.session_for(self._plain_sess, MANY)
        self.image_shape = (*self._data.image_sides, self._model.input_shape[-1])
        self.answer([Job(np.zeros(self.image_shape, np.uint8), has_pictures=True)])

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
        answers = [Answer(row) for row in pred]
        if asked := [place for place, job in enumerate(jobs) if job.has_pictures]:
            crops, _ = dataset.batch(asked)  # (M, h, w, C), the centres
            for place, crop, heat in zip(asked, crops, self._heats(crops, pred[asked]), strict=True):
                answers[place] = Answer(pred[place], crop, heat)
        return answers

    def _heats(self, crops: np.ndarray, pred: np.ndarray) -> Iterable[np.ndarray | None]:
        """Return the map of each crop's best class, (h, w), or None if the network has no feature map."""
        if self._grad_cam is None:
            return [None] * len(crops)
        return self._grad_cam.maps(self._plain_sess, crops, pred.argmax(axis=1))

    @property
    def has_maps(self) -> bool:
        """Return whether answers with pictures have maps."""
        return self._grad_cam is not None

    def close(self) -> None:
        """Close the session."""
        self._plain_sess.close()


def _grad_cam(model: ConvNet) -> GradCam | None:
    """Return what computes maps, or None if the network has no feature map."""
    try:
        return GradCam(model)
    except UsageError as error:
        logger.info("%s; the page shows no maps", error)
        return None
