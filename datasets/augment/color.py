"""Augment colours along the principal components of a set's pixels.

Krizhevsky, Sutskever and Hinton 2012, section 4.1: to every pixel of an image the same multiples of the three
principal components are added, with magnitudes of the eigenvalues times a normal variable of standard deviation
0.1, drawn once for each image and use. Following the paper's text to the letter, the multiplier is the eigenvalue
of the covariance of pixel values in [0, 1], which is also what later implementations of it take.
"""

from functools import cached_property

import numpy as np

from datasets.augment.sampling import Sampler
from datasets.images.array_rows import ImageRows, Images
from datasets.options.loading import Crops

SAMPLE = 1000  # images that the covariance is taken of, at most
LEVELS = 256


class ColorShift:
    """Shift the colours of training crops by `Crops.pca_color`.

    :param images: (N, H, W, 3), of whose pixels the components are.
    :param sampler: draws how far each image is shifted.
    """

    stream = 2

    def __init__(self, images: Images, crops: Crops, sampler: Sampler) -> None:
        self._images, self._deviation, self._sampler = images, crops.pca_color, sampler

    def __call__(self, patches: np.ndarray, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Return the crops (B, h, w, 3) of the images `indices` (B,) as an epoch sees them."""
        if not self._deviation or not len(indices):
            return patches
        multiples = self._deviation * color_multiples(self._sampler, epoch)[indices]  # (B, 3)
        return shift_colors(patches, multiples @ self._components)

    @cached_property
    def _components(self) -> np.ndarray:
        return color_components(self._images)


def color_multiples(sampler: Sampler, epoch: int) -> np.ndarray:
    """Draw how much of each principal component is added to each image in an epoch: standard normal (N, 3)."""
    return sampler.drawn(ColorShift.stream, epoch, lambda rng: rng.standard_normal((sampler.num_examples, 3)))


def color_components(images: Images) -> np.ndarray:
    """Return the principal components of the pixels, each times its eigenvalue.

    :param images: (N, H, W, 3), uint8 in [0, 255] or float in [0, 1]; of more than 1,000 images, an evenly spaced
        sample is used.
    :return: (3, 3) float64, a component in each row, of pixel values in [0, 1].
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
    :param shifts: (N, 3), of pixel values in [0, 1].
    :return: same shape and dtype; bytes are rounded and clipped to [0, 255], floats are not clipped.
    """
    if images.dtype != np.uint8:
        return images + shifts[:, np.newaxis, np.newaxis].astype(images.dtype)
    levels = np.arange(LEVELS) + 255.0 * shifts[..., np.newaxis]  # (N, 3, 256): the new level of each old one
    tables = np.clip(np.round(levels), 0, LEVELS - 1).astype(np.uint8)
    shifted = np.empty_like(images)
    for image, target, table in zip(images, shifted, tables, strict=True):
        for channel in range(images.shape[-1]):
            target[..., channel] = table[channel][image[..., channel]]
    return shifted
