"""Resize an image of any shape to the one size that all images of a set have.

    squash      both sides are resized, so that the picture is stretched if its aspect ratio is another one
    crop        the middle is cut out with the target's aspect ratio, and resized
    letterbox   the whole picture is resized with its own aspect ratio, and put in the middle of a grey image

The interpolation is bilinear, and antialiased where it shrinks.
"""

import numpy as np
from PIL import Image

from datasets.options.loading import Fit

GREY = 128  # of 255, around a letterboxed picture

_BILINEAR = Image.Resampling.BILINEAR


def resize_image(image: np.ndarray, height: int, width: int, fit: Fit = "squash") -> np.ndarray:
    """Resize (H, W, C) to (height, width, C).

    :param image: uint8 in [0, 255]; or float in [0, 1], which is computed in float32.
    :return: same dtype; bytes are rounded.
    """
    if image.dtype == np.uint8 and image.shape[-1] == 3:
        return np.array(resize_picture(Image.fromarray(image), height, width, fit))
    dtype = np.uint8 if image.dtype == np.uint8 else np.float32
    resized = np.empty((height, width, image.shape[-1]), image.dtype)
    for channel in range(image.shape[-1]):
        picture = Image.fromarray(image[..., channel].astype(dtype))
        resized[..., channel] = resize_picture(picture, height, width, fit)
    return resized


def resize_picture(picture: Image.Image, height: int, width: int, fit: Fit = "squash") -> Image.Image:
    """Resize an image of mode L, RGB or F."""
    if fit == "letterbox":
        return _letterboxed(picture, height, width)
    box = _middle(picture, height, width) if fit == "crop" else None
    return picture.resize((width, height), _BILINEAR, box=box)


def _middle(picture: Image.Image, height: int, width: int) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the largest region with the aspect ratio width / height."""
    scale = max(width / picture.width, height / picture.height)
    right, bottom = min(picture.width, width / scale), min(picture.height, height / scale)
    left, top = (picture.width - right) / 2, (picture.height - bottom) / 2
    return left, top, left + right, top + bottom


def _letterboxed(picture: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(width / picture.width, height / picture.height)
    inner_width, inner_height = (max(1, round(side * scale)) for side in picture.size)
    level = GREY / 255 if picture.mode == "F" else GREY
    whole = Image.new(picture.mode, (width, height), (level,) * len(picture.getbands()))
    corner = (width - inner_width) // 2, (height - inner_height) // 2
    whole.paste(picture.resize((inner_width, inner_height), _BILINEAR), corner)
    return whole
