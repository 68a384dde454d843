"""Convert images with a colour profile (ICC) to sRGB; images without one count as sRGB."""

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, features

_MODES = {"LA": "L", "RGBA": "RGB", "P": "RGB", "PA": "RGB"}  # without transparency and palette
_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}  # names of a mode's colour space in profiles
_KEPT = 32  # conversions in memory: a collection has few different profiles
_SAME = 2  # levels of rounding that count as no change

logger = logging.getLogger(__name__)


def in_srgb(image: Image.Image) -> Image.Image:
    """Return the image in sRGB, in mode RGB or RGBA; unchanged unless `has_other_profile`."""
    conversion = _conversion_of(image)
    if conversion is None:
        return image
    converted = conversion.apply(image.convert(conversion.input_mode))
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def has_other_profile(image: Image.Image) -> bool:
    """Return whether a grey, RGB or CMYK image has a usable profile other than sRGB."""
    return _conversion_of(image) is not None


def _conversion_of(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    profile, mode = image.info.get("icc_profile"), _MODES.get(image.mode, image.mode)
    if mode.startswith("I") or mode == "F":  # `datasets.images.bit_depth` converts it to L first
        mode = "L"
    if not profile or mode not in _SPACES:
        return None
    if not features.check("littlecms2"):
        _warn_of_missing_library()
        return None
    return _conversion(profile, mode)


@lru_cache(_KEPT)
def _conversion(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from a profile to sRGB; None if it changes nothing or the profile is unusable."""
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            return None
        conversion = ImageCms.ImageCmsTransform(source, target, mode, "RGB")
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None  # damaged: most programs show the pixels unchanged
    return None if mode != "CMYK" and _changes_nothing(conversion) else conversion


def _changes_nothing(conversion: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a conversion of grey or RGB keeps all colours; a profile's name may be wrong."""
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
