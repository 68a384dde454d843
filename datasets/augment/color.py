"""Colour augmentation along the principal components of a set's pixels: pure functions on arrays.

Krizhevsky, Sutskever and Hinton 2012, section 4.1: to every pixel of an image the same multiples of the three
principal components are added, with magnitudes of the eigenvalues times a normal variable of standard deviation
0.1, drawn once for each image and use. Following the paper's text to the letter, the multiplier is the eigenvalue
of the covariance of pixel values in [0, 1], which is also what later implementations of it take.
"""

import numpy as np

from datasets.images.array_rows import ImageRows, Images

SAMPLE = 1000  # images that the covariance is taken of, at most
LEVELS = 256


def color_components(images: Images) -> np.ndarray:
    """The principal components of the pixels, each times its eigenvalue.

    :param images: (N, H, W, 3), uint8 in [0, 255] or float in [0, 1]; of more than 1,000, evenly spread ones are
        looked at.
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
    """Adds one colour to all pixels of each image.

    :param images: (N, H, W, 3), uint8 in [0, 255] or float in [0, 1].
    :param shifts: (N, 3), of pixel values in [0, 1].
    :return: same shape and dtype; bytes are rounded and cut to [0, 255], floats are left as they come.
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
