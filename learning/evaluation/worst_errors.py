"""Show the most confident errors of a test: a list, and a picture of each."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.atomic import replacing_folder
from datasets.storage.failures import storage_errors
from learning.errors import UsageError
from learning.evaluation.predicted_images import PredictedImages
from learning.inference.explanation import GradCam, picture
from learning.machine.session import v1
from learning.runs.files import MOST_ERRORS
from models.convnet import ConvNet


def worst_errors(images: PredictedImages) -> np.ndarray:
    """Return the indices of the wrong images whose predicted class has the highest probability, highest first.

    Images whose probabilities are not numbers are left out.
    """
    is_wrong = (images.predicted != images.truth) & np.isfinite(images.probabilities).all(axis=1)
    wrong = np.flatnonzero(is_wrong)
    return wrong[np.argsort(-images.probabilities[wrong].max(axis=1), kind="stable")[:MOST_ERRORS]]


def write_errors(
    sess: v1.Session, model: ConvNet, dataset: DataSet, images: PredictedImages, folder: Path
) -> list[dict[str, Any]]:
    """Write a picture of each of the worst errors, and return a description of each.

    A picture shows the centre crop and, beside it, the regions that support the predicted class (Grad-CAM). If the
    network has no feature map, there is only the crop.

    :param dataset: the tested images.
    :param folder: for the pictures; it is replaced, or removed if there are no errors.
    :return: file, true, predicted, probability, and picture, its path relative to the parent of `folder`.
    :raises StorageError: they cannot be written.
    """
    indices = worst_errors(images)
    if not len(indices):
        shutil.rmtree(folder, ignore_errors=True)
        return []
    crops, _ = dataset.batch(indices)  # (M, h, w, C)
    predicted = images.predicted[indices]
    heats = _heats(sess, model, crops, predicted)
    files = [f"{number:02}.jpg" for number in range(len(indices))]
    with (
        storage_errors(folder.parent, f"cannot write {folder}", "make room"),
        replacing_folder(folder, f".writing-{folder.name}", over=True) as temporary,
    ):
        for file, crop, heat in zip(files, crops, heats, strict=True):
            picture(crop, heat).save(temporary / file, quality=90)
    return [
        {
            "file": images.files[index],
            "true": images.class_names[images.truth[index]],
            "predicted": images.class_names[label],
            "probability": float(images.probabilities[index, label]),
            "picture": f"{folder.name}/{file}",
        }
        for index, label, file in zip(indices, predicted, files, strict=True)
    ]


def _heats(sess: v1.Session, model: ConvNet, crops: np.ndarray, classes: np.ndarray) -> list[Any]:
    """Return the map (h, w) of each crop, or None for each if the network has no feature map."""
    try:
        cam = GradCam(model)
    except UsageError:
        return [None] * len(crops)
    return list(cam.maps(sess, crops, classes))
