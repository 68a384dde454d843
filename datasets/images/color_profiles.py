"""Convert images with a colour profile (ICC) to sRGB, which images without one are taken for."""

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, features

_MODES = {"LA": "L", "RGBA": "RGB", "P": "RGB", "PA": "RGB"}  # without transparency and palette
_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}  # what a profile calls the colours of a mode
_KEPT = 32  # conversions: a collection has few different profiles
_SAME = 2  # levels by which a conversion that changes nothing may round

logger = logging.getLogger(__name__)


def in_srgb(image: Image.Image) -> Image.Image:
    """Return the image in sRGB, in mode RGB or RGBA; unchanged if it has no profile, sRGB, or a useless one.

    :param image: of any mode; grey, RGB and CMYK have profiles that are applied.
    """
    conversion = _conversion_of(image)
    if conversion is None:
        return image
    converted = conversion.apply(image.convert(conversion.input_mode))
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def has_other_profile(image: Image.Image) -> bool:
    """Return whether the image has a profile that `in_srgb` applies."""
    return _conversion_of(image) is not None


def _conversion_of(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    profile, mode = image.info.get("icc_profile"), _MODES.get(image.mode, image.mode)
    if mode.startswith("I") or mode == "F":  # `datasets.images.bit_depth` makes it grey first
        mode = "L"
    if not profile or mode not in _SPACES:
        return None
    if not features.check("littlecms2"):
        _warn_of_missing_library()
        return None
    return _conversion(profile, mode)


@lru_cache(_KEPT)
def _conversion(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return how pixels of a profile become sRGB; None where there is nothing to convert, or no way to.

    The name does not tell: there are linear profiles called sRGB.
    """
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            return None
        conversion = ImageCms.ImageCmsTransform(source, target, mode, "RGB")
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None  # damaged: most programs show the pixels as they are, and so do we
    return None if mode != "CMYK" and _changes_nothing(conversion) else conversion


def _changes_nothing(conversion: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a conversion of grey or RGB leads to the same colours, whatever the profile is called."""
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    if conversion.input_mode == "L":
        colours = np.repeat(levels[None, :, None], 3, axis=2)
    converted = np.asarray(conversion.apply(Image.fromarray(colours).convert(conversion.input_mode)))
    return int(np.abs(converted.astype(int) - colours).max()) <= _SAME


@lru_cache(1)
def _warn_of_missing_library() -> None:
    """Warn once for the whole process."""
    logger.warning(
        "colour profiles of images are ignored, because this Pillow was built without LittleCMS; install "
        "Pillow from its wheels"
    )
