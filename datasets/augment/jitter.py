"""Vary the brightness, contrast and saturation of training crops.

As torchvision's ColorJitter, with one strength s for all three: each factor is uniform in [1 - s, 1 + s], drawn
once for each use of an image. With the luminance Y of a pixel x (ITU-R 601) and its mean M over the crop,

    brightness  x <- b x
    contrast    x <- c x + (1 - c) M
    saturation  x <- f x + (1 - f) Y

Deviations: the three are applied in this order, which torchvision draws, and values are rounded and clipped once,
at the end. So they are one linear map of each pixel's colour.
"""

import numpy as np
from PIL import Image

from datasets.augment.sampling import Sampler
from datasets.images.array_rows import Images
from datasets.options.loading import Crops

LUMA = np.array([0.299, 0.587, 0.114])  # of R, G and B in the luminance


class ColorJitter:
    """Vary the colours of training crops by `Crops.color_jitter`.

    :param images: (N, H, W, C), grey or RGB.
    :param sampler: draws the factors of each image.
    """

    stream = 3

    def __init__(self, images: Images, crops: Crops, sampler: Sampler) -> None:
        self._strength, self._sampler = crops.color_jitter, sampler

    def __call__(self, patches: np.ndarray, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Return the crops (B, h, w, C) of the images `indices` (B,), varied for an epoch."""
        if not self._strength or not len(indices):
            return patches
        return vary_colors(patches, 1.0 + self._strength * jitters(self._sampler, epoch)[indices])


def jitters(sampler: Sampler, epoch: int) -> np.ndarray:
    """Draw the three factors of each image in an epoch, as uniform numbers in [-1, 1): (N, 3)."""
    return sampler.drawn(ColorJitter.stream, epoch, lambda rng: rng.uniform(-1, 1, (sampler.num_examples, 3)))


def vary_colors(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply the brightness, contrast and saturation of each image by its factors.

    :param images: (N, H, W, C), C 1 or 3, uint8 in [0, 255] or float in [0, 1].
    :param factors: (N, 3), each 0 or more.
    :return: same shape and dtype; bytes are rounded and clipped to [0, 255], floats are not clipped.
    """
    weights = LUMA if images.shape[-1] == 3 else np.ones(1)
    varied = np.empty_like(images)
    for image, target, (brightness, contrast, saturation) in zip(images, varied, factors, strict=True):
        sums = image.sum(axis=0, dtype=np.uint32 if image.dtype == np.uint8 else np.float64).sum(axis=0)
        mean = sums @ weights / (image.shape[0] * image.shape[1])
        kept = brightness * contrast
        colors = kept * (saturation * np.eye(len(weights)) + (1 - saturation) * weights)  # (C, C): out, in
        target[...] = _mapped(image, colors, brightness * (1 - contrast) * mean)
    return varied


def _mapped(image: np.ndarray, colors: np.ndarray, offset: float) -> np.ndarray:
    """Return colors @ x + offset for each pixel x of an image (H, W, C)."""
    if image.dtype != np.uint8:
        return (image @ colors.T + offset).astype(image.dtype)
    if len(colors) == 1:
        levels = colors[0, 0] * np.arange(256) + offset
        return np.clip(np.round(levels), 0, 255).astype(np.uint8)[image]
    matrix = np.column_stack([colors, np.full(3, offset)])
    return np.asarray(Image.fromarray(image).convert("RGB", tuple(matrix.ravel().tolist())))
