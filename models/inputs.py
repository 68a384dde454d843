"""Convert what users pass to a network: plain arrays, class numbers, a mean of pixels in [0, 255]."""

from typing import Any

import numpy as np


class ImageArray:
    """An array of images that `ConvNet.predict` can use like a DataSet: each image is its only crop.

    :raises ValueError: the images are not of `input_shape` (H, W, C), neither uint8 nor float, or floats outside
        [0, 1].
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
        """Return the chosen images."""
        return self._images[indices], None


def one_hot(labels: Any, num_classes: int) -> np.ndarray:
    """Return labels as (N, K): labels that are one-hot already, or class numbers from 0, (N,) or (N, 1).

    :raises ValueError: a class number is below 0 or beyond the last class; the first one is named.
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


def scaled_mean(image_mean: Any) -> np.ndarray:
    """Return the mean in [0, 1]; one with a value above 1 must be of pixels in [0, 255]."""
    mean = np.asarray(image_mean, np.float32)
    return mean / np.float32(255.0) if mean.size and mean.max() > 1.0 else mean
