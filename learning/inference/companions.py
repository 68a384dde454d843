"""What predict.py writes besides labels: pictures of the regions that support them, and features."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.atomic import replacing, write_csv
from datasets.storage.failures import storage_errors
from learning.errors import StorageError, UsageError
from learning.inference.explanation import GradCam, picture
from models.convnet import ConvNet
from models.graph.building import names_behind

TABLE_FILE = "explanations.csv"
MOST_LETTERS = 50  # of the name of an image in the name of its picture
_PICTURE = re.compile(r"\d{5,}-[A-Za-z0-9_-]*\.jpg")  # see `picture_name`
FEATURES = "features"  # the key of `ConvNet.d` for what the last layer reads


class Companion(Protocol):
    """Writes more than labels, such as pictures or features."""

    def add(self, sess: Any, files: Sequence[str], dataset: DataSet, predictions: np.ndarray) -> None:
        """Take the next readable images: their names, themselves, and their probabilities (N, K)."""

    def finish(self) -> None:
        """Write what is made of all images."""


class ExplainedFiles:
    """Pictures of the centre crops of images, each beside its class activation map.

    :param folder: is created. The pictures that an earlier explanations.csv in it names are removed.
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
            _remove_earlier(folder)
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


def _remove_earlier(folder: Path) -> None:
    """Remove a table of explanations, and the pictures of it."""
    table = folder / TABLE_FILE
    if not table.is_file():
        return
    with table.open(encoding="utf-8", newline="") as file:
        names = [row.get("picture") or "" for row in csv.DictReader(file)]
    for name in names:
        if _PICTURE.fullmatch(name):  # whatever else the table may name is not ours
            (folder / name).unlink(missing_ok=True)
    table.unlink()


def picture_name(number: int, file: str) -> str:
    """Return a unique file name: the image's number and the plain letters of its name."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(file).stem)[:MOST_LETTERS]
    return f"{number:05}-{stem}.jpg"


class Embedding:
    """The values of one tensor for the centre crop of each image, in a NumPy archive.

    :param path: of the archive, with files (N,) texts, values (N, ...) float32, and layer.
    :param layer: a key of `model.d`, whose tensor has the images as its first axis; None: 'features', which the
        last layer reads.
    :param batch_size: the most images in one run of the graph.
    :raises UsageError: there is no such tensor, or it does not depend on the images.
    """

    def __init__(self, model: ConvNet, path: Path, layer: str | None, batch_size: int) -> None:
        layer = FEATURES if layer is None else layer
        known = names_behind(model.d, model.images)
        if layer not in known:
            raise UsageError(
                f"{type(model).__name__} has no tensor '{layer}' of images; there are, from the first to the last: "
                f"{', '.join(known)}"
            )
        self._model, self._path, self._layer, self._batch_size = model, path, layer, batch_size
        self._files: list[str] = []
        self._values: list[np.ndarray] = []

    def add(self, sess: Any, files: Sequence[str], dataset: DataSet, predictions: np.ndarray) -> None:
        """Compute the tensor for the images of `dataset`, whose names are `files`."""
        values = self._model.compute(sess, self._layer, dataset, batch_size=self._batch_size)
        self._files += files
        self._values.append(values.astype(np.float32))  # NumPy's files have no bfloat16

    def finish(self) -> None:
        """Write the archive.

        :raises StorageError: it cannot be written.
        """
        path, values = self._path, np.concatenate(self._values or [np.empty(0, np.float32)])
        with (
            storage_errors(path.parent, f"cannot write {path}", "make room"),
            replacing(path) as temporary,
            temporary.open("wb") as file,  # to a name without .npz NumPy would add it
        ):
            np.savez_compressed(file, files=np.array(self._files, str), values=values, layer=self._layer)
