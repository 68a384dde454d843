"""The AlexNet post's own ways of loading, cutting and predicting, to be measured beside the project's.

Its images are float32 arrays in [0, 1] that lie in memory, and every image is cut on its own. It is of a time when
scikit-image did not smooth before it made an image smaller; today's would, and is told not to.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


def load(paths: Sequence[Path], size: int) -> np.ndarray:
    """Reads, resizes and converts each image in turn: (N, size, size, 3) float32."""
    from skimage.io import imread
    from skimage.transform import resize

    images = np.empty((len(paths), size, size, 3), dtype=np.float32)
    for i, path in enumerate(paths):
        image = resize(imread(path), (size, size), mode="constant", anti_aliasing=False)
        images[i] = image.astype(np.float32)
    return images


def as_floats(images: np.ndarray) -> np.ndarray:
    """uint8 images as the post holds them."""
    return images.astype(np.float32) / 255.0


def random_crop_reflect(images: np.ndarray, crop_size: int, rng: np.random.Generator) -> np.ndarray:
    """One random window of each image, mirrored in half of the cases: (N, crop_size, crop_size, C)."""
    height, width = images.shape[1:3]
    crops = []
    for image in images:
        top, left = rng.integers(height - crop_size + 1), rng.integers(width - crop_size + 1)
        crop = image[top : top + crop_size, left : left + crop_size]
        crops.append(crop[:, ::-1] if rng.integers(2) else crop)
    return np.stack(crops)


def corner_center_crop_reflect(images: np.ndarray, crop_size: int) -> np.ndarray:
    """The corners, the centre, and these five mirrored: (N, 10, crop_size, crop_size, C)."""
    height, width = images.shape[1:3]
    top, left = (height - crop_size) // 2, (width - crop_size) // 2
    crops = []
    for image in images:
        five = np.stack(
            [
                image[:crop_size, :crop_size],
                image[:crop_size, -crop_size:],
                image[-crop_size:, :crop_size],
                image[-crop_size:, -crop_size:],
                image[top : top + crop_size, left : left + crop_size],
            ]
        )  # (5, h, w, C)
        crops.append(np.concatenate([five, five[:, :, ::-1]]))  # (10, h, w, C)
    return np.stack(crops)


def predict(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, crop_size: int) -> np.ndarray:
    """The mean of the probabilities of the ten windows, one window of all images after the other: (N, K).

    :param run: probabilities (N, K) of windows (N, h, w, C).
    """
    crops = corner_center_crop_reflect(images, crop_size)  # (N, 10, h, w, C)
    return np.stack([run(crops[:, index]) for index in range(10)], axis=1).mean(axis=1)
