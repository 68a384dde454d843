"""Augment colours along the principal components of a set's pixels.

Krizhevsky, Sutskever and Hinton 2012, section 4.1: the same multiples of the three principal components are added
to every pixel of an image. They are the eigenvalues times a normal variable with a standard deviation of 0.1, drawn
once for each use of an image. As in later implementations, the eigenvalues are those of the covariance of pixel
values in [0, 1].
"""

from functools import cached_property

import numpy as np

from datasets.augment.sampling import Sampler
from datasets.images.array_rows import ImageRows, Images
from datasets.options.loading import Crops

SAMPLE = 1000  # largest number of images for the covariance
LEVELS = 256


class ColorShift:
    """Shift the colours of training crops by `Crops.pca_color`.

    :param images: (N, H, W, 3), which give the components.
    :param sampler: draws the shift of each image.
    """

    stream = 2

    def __init__(self, images: Images, crops: Crops, sampler: Sampler) -> None:
        self._images, self._deviation, self._sampler = images, crops.pca_color, sampler

    def __call__(self, patches: np.ndarray, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Return the crops (B, h, w, 3) of the images `indices` (B,), shifted for an epoch."""
        if not self._deviation or not len(indices):
            return patches
        multiples = self._deviation * color_multiples(self._sampler, epoch)[indices]  # (B, 3)
        return shift_colors(patches, multiples @ self._components)

    @cached_property
    def _components(self) -> np.ndarray:
        return color_components(self._images)


def color_multiples(sampler: Sampler, epoch: int) -> np.ndarray:
    """Draw the multiple of each principal component for each image in an epoch: standard normal (N, 3)."""
    return sampler.drawn(ColorShift.stream, epoch, lambda rng: rng.standard_normal((sampler.num_examples, 3)))


def color_components(images: Images) -> np.ndarray:
    """Return the principal components of the pixels, each times its eigenvalue.

    :param images: (N, H, W, 3), uint8 in [0, 255] or float in [0, 1]; at most SAMPLE, evenly spaced, are used.
    :return: (3, 3) float64, a component in each row, for pixel values in [0, 1].
    """
    count = len(images)
    rows = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.intp))
    total, squares, pixels = np.zeros(3), np.zeros((3, 3)), 0
    for chunk in ImageRows(images, rows).chunks():
        values = chunk.reshape(-1, 3).astype(np.float64)
        values = values / 255.0 if chunk.dtype == np.uint8 else values
        total += values.sum(axis=0)
        squares += values.T @ values
        pixels += len(values)
    mean = total / pixels
    eigenvalues, eigenvectors = np.linalg.eigh(squares / pixels - np.outer(mean, mean))
    return (eigenvectors * np.maximum(eigenvalues, 0.0)).T


def shift_colors(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Add one colour to all pixels of each image.

    :param images: (N, H, W, 3), uint8 in [0, 255] or float in [0, 1].
    :param shifts: (N, 3), for pixel values in [0, 1].
    :return: same shape and dtype; bytes are rounded and clipped to [0, 255], floats are not clipped.
    """
    if images.dtype != np.uint8:
        return images + shifts[:, np.newaxis, np.newaxis].astype(images.dtype)
    levels = np.arange(LEVELS) + 255.0 * shifts[..., np.newaxis]  # (N, 3, 256): new levels of the old ones
    tables = np.clip(np.round(levels), 0, LEVELS - 1).astype(np.uint8)
    shifted = np.empty_like(images)
    for image, target, table in zip(images, shifted, tables, strict=True):
        for channel in range(images.shape[-1]):
            target[..., channel] = table[channel][image[..., channel]]
    return shifted
