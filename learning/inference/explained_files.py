"""Write pictures of what speaks for the predicted classes of image files, and a table of them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.atomic import replacing, write_csv
from datasets.storage.failures import storage_errors
from learning.errors import StorageError
from learning.inference.explanation import GradCam, picture
from models.convnet import ConvNet

TABLE_FILE = "explanations.csv"
MOST_LETTERS = 50  # of the name of an image in the name of its picture


class ExplainedFiles:
    """Pictures of the centre crops of images, each beside its class activation map.

    :param folder: is made. Pictures of the same names in it are replaced.
    :param class_names: of the K classes.
    :param layer: see `GradCam`.
    :raises UsageError: the network has no such feature map.
    :raises StorageError: the folder cannot be made.
    """

    def __init__(
        self, model: ConvNet, folder: Path, class_names: Sequence[str], layer: str | None = None
    ) -> None:
        self._cam, self._folder, self._class_names = GradCam(model, layer), folder, class_names
        self._rows: list[dict[str, Any]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {folder}: {error.strerror}; choose another --explain") from error

    def add(self, sess: Any, files: Sequence[str], dataset: DataSet, predictions: np.ndarray) -> None:
        """Write a picture for each image.

        :param files: N names of images.
        :param predictions: (N, K), whose largest value decides the class that is explained.
        """
        crops, _ = dataset.batch(slice(None))  # (N, h, w, C)
        classes = predictions.argmax(axis=1)
        heats = self._cam.maps(sess, crops, classes)
        with storage_errors(self._folder, f"cannot write into {self._folder}", "make room"):
            for file, crop, heat, label, row in zip(files, crops, heats, classes, predictions, strict=True):
                name = picture_name(len(self._rows) + 1, file)
                with replacing(self._folder / name) as temporary:
                    picture(crop, heat).save(temporary, "JPEG", quality=90)
                cells = {"picture": name, "path": file, "class": self._class_names[label]}
                self._rows.append({**cells, "probability": float(row[label])})

    def finish(self) -> None:
        """Write explanations.csv: picture, path, class, probability."""
        with storage_errors(self._folder, f"cannot write into {self._folder}", "make room"):
            write_csv(self._folder / TABLE_FILE, self._rows)


def picture_name(number: int, file: str) -> str:
    """Return a file name with the image's number, which no other has, and the plain letters of its name."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(file).stem)[:MOST_LETTERS]
    return f"{number:05}-{stem}.jpg"
