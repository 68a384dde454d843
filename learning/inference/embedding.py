"""Write a tensor of the network for image files, such as the features that the last layer reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.atomic import replacing
from datasets.storage.failures import storage_errors
from learning.errors import UsageError
from models.convnet import ConvNet
from models.graph.building import operations_behind

FEATURES = "features"  # the key of `ConvNet.d` for what the last layer reads


class Embedding:
    """The values of one tensor, by the centre crop of each image, in a NumPy archive.

    :param path: of the archive, with files (N,) texts, values (N, ...) float32, and layer.
    :param layer: a key of `model.d`, whose tensor has the images as its first axis; None: 'features', which the
        last layer reads.
    :param batch_size: the most images in one run of the graph.
    :raises UsageError: there is no such tensor, or it does not depend on the images.
    """

    def __init__(self, model: ConvNet, path: Path, layer: str | None, batch_size: int) -> None:
        layer = FEATURES if layer is None else layer
        known = sorted(
            name for name, tensor in model.d.items() if model.images.op in operations_behind(tensor)
        )
        if layer not in known:
            raise UsageError(
                f"{type(model).__name__} has no tensor '{layer}' of images; there are: {', '.join(known)}"
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
