"""Detect images that must not be mirrored: a network recognises the test crops, but not their mirror images."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.augment.crops import Cropper
from datasets.dataset import DataSet, Labels, Rows

MIN_Z = 3.0  # standard errors: one test in 700 exceeds it by chance
MIN_DROP = 0.05  # of the accuracy: a smaller drop is not worth a hint


class _Plain(DataSet):
    """The same images as another set, with test crops that are not mirrored."""

    def __init__(self, whole: DataSet) -> None:
        vars(self).update(vars(whole))  # whose values need no second check
        self._crops = dataclasses.replace(whole.crops, reflect=False)
        self._cropper = Cropper(self._images, self._crops, self._sampler, self._channel_sums)


class _Mirrored(_Plain):
    """The same images, with batches that are mirrored left to right."""

    def batch(
        self, indices: Rows, *, augment: bool = False, is_train: bool = False, epoch: int = 0
    ) -> tuple[np.ndarray, Labels]:
        """Return the batch of the whole set, mirrored."""
        images, labels = super().batch(indices, augment=augment, is_train=is_train, epoch=epoch)
        return images[..., ::-1, :], labels


def halves(dataset: DataSet) -> tuple[DataSet, DataSet]:
    """Return two sets of the same images: one with the five test crops as they are, one with the five mirrored.

    :param dataset: a set whose crops are mirrored (`Crops.reflect`).
    """
    return _Plain(dataset), _Mirrored(dataset)


def compare(truth: np.ndarray, plain: np.ndarray, mirrored: np.ndarray) -> dict[str, float]:
    """Return the accuracy of both halves, and how significantly they differ.

    :param truth: (N,) classes.
    :param plain: (N, K) predictions of the crops that are not mirrored.
    :param mirrored: (N, K) predictions of the mirrored crops.
    :return: plain, mirrored: accuracies; z: the statistic of McNemar's test for pairs, in standard errors, above 0
        if the mirrored half is worse.
    """
    is_right, is_right_mirrored = plain.argmax(axis=1) == truth, mirrored.argmax(axis=1) == truth
    lost = int(np.sum(is_right & ~is_right_mirrored))
    won = int(np.sum(~is_right & is_right_mirrored))
    return {
        "plain": float(is_right.mean()),
        "mirrored": float(is_right_mirrored.mean()),
        "z": (lost - won) / math.sqrt(lost + won) if lost + won else 0.0,
    }


def mirroring_hint(results: Mapping[str, Any]) -> str | None:
    """Return what to do if the mirrored half is much worse; None if it is not, or nothing was mirrored.

    :param results: of a test, with the result of `compare` as mirroring.
    """
    found = results.get("mirroring")  # missing in the results of earlier versions
    if not found or found["z"] <= MIN_Z or found["plain"] - found["mirrored"] < MIN_DROP:
        return None
    return (
        f"mirrored crops have an accuracy of {found['mirrored']:.4f}, the others {found['plain']:.4f}: these "
        "images have a left and a right; train with --data.reflect false"
    )
