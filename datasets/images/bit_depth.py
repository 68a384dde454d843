"""Scale images of more than 8 bits to bytes by the values of black and white, which the file may state.

A TIFF states the range by its sample format, its bits, SMinSampleValue and SMaxSampleValue, or by a MaxSampleValue
that stands for a number of bits (4095 for 12). Other values are statistics, and so are SMin and SMax of floats if
they equal the image's own extremes. A PGM states its maxval, by which Pillow scales. If no range is stated,
integers range from 0 to 65535, and floats over the first of [0, 1], [0, 255] and [0, 65535] that holds them.

Pillow keeps the upper 8 of 16 bits of colour. If a TIFF states that only 12 to 15 bits are used, the remaining 4 to
7 are scaled; fewer are refused.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

_BITS, _PHOTOMETRIC, _MAX, _FORMAT, _SMIN, _SMAX = 258, 262, 281, 339, 340, 341  # tags of a TIFF
_WHITE_IS_ZERO = 0
_SIGNED = 2
_FULL = 65535.0
_FLOAT_RANGES = (1.0, 255.0, _FULL)
_OVERSHOOT = 1.5  # times the range, which sharpening or interpolation may reach
_TOPS = {2.0**bits - 1 for bits in range(8, 16)}  # largest values of 8 to 15 bits
_LEAST_COLOUR = 15  # smallest maximum of the upper 8 bits of a colour that is scaled
_FEW = 16  # an image that uses less than 1/16 of its range probably has another range


class DepthError(Exception):
    """The pixels cannot be scaled to bytes; the message is the reason."""


class _Range(NamedTuple):
    """The values of black and white, and whether the file states them."""

    black: float
    white: float
    is_stated: bool


def is_deep(image: Image.Image) -> bool:
    """Return whether the image is grey with more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def scaled_to_bytes(image: Image.Image) -> Image.Image:
    """Return a grey image of more than 8 bits in mode L, with its colour profile."""
    values, tags = np.asarray(image), _tags(image)
    black, white, _ = _range_of(values, tags)
    grey = values.astype(np.float32)  # enough for 16 bits, and half the memory of a division
    np.nan_to_num(grey, copy=False, nan=black, posinf=white, neginf=black)
    with np.errstate(all="ignore"):  # a damaged file may state any range
        grey -= np.float32(black)
        grey *= np.float32(255.0 / (white - black))
        if _number(tags, _PHOTOMETRIC) == _WHITE_IS_ZERO:
            np.subtract(255.0, grey, out=grey)
        if "transparency" in image.info:
            grey[values == image.info["transparency"]] = 255.0
        np.clip(grey, 0.0, 255.0, out=grey)
        scaled = Image.fromarray(np.round(grey, out=grey).astype(np.uint8))
    if "icc_profile" in image.info:
        scaled.info["icc_profile"] = image.info["icc_profile"]
    return scaled


def scaled_colours(image: Image.Image) -> Image.Image:
    """Scale the colours of a loaded 16-bit RGB or RGBA image that states fewer used bits; return others unchanged.

    :raises DepthError: too few bits are left.
    """
    tags = _tags(image)
    top = _stated_top(tags)
    if image.mode not in ("RGB", "RGBA") or _number(tags, _BITS) != 16 or top is None:
        return image
    kept = int(top) >> 8
    if kept < _LEAST_COLOUR:
        raise DepthError(f"colours up to {top:.0f} in 16 bits are not decoded; convert it to 8 bits")
    return image.point([min(255, round(255 * level / kept)) for level in range(256)] * len(image.getbands()))


def has_doubtful_range(image: Image.Image) -> bool:
    """Return whether a deep grey image may become dark, faint or clipped because no range is stated."""
    values = np.asarray(image)
    black, white, is_stated = _range_of(values, _tags(image))
    low, high = values.min(), values.max()
    is_scaled = image.format == "PPM" and image.mode != "F"  # scaled by its maxval
    if is_stated or is_scaled or low == high:
        return False
    if values.dtype.kind == "f":
        return not 0 <= low <= high <= 1
    return not black <= low <= high <= white or high - low < (white - black) / _FEW


def _range_of(values: np.ndarray, tags: Mapping[int, Any]) -> _Range:
    is_signed = _number(tags, _FORMAT) == _SIGNED
    if is_signed or values.dtype.kind == "f":
        low, high = _number(tags, _SMIN), _number(tags, _SMAX)
        if low is not None and high is not None and low < high and not _are_statistics(values, low, high):
            return _Range(low, high, True)
    if values.dtype.kind == "f":
        largest = values.max()
        if not np.isfinite(largest):
            largest = values.max(initial=0.0, where=np.isfinite(values))  # several times as slow
        return _Range(0.0, next((w for w in _FLOAT_RANGES if largest <= _OVERSHOOT * w), _FULL), False)
    bits = _number(tags, _BITS) or 16
    if is_signed and bits == 16:
        return _Range(-32768.0, 32767.0, False)
    if bits < 16:
        return _Range(0.0, 2.0**bits - 1, True)
    top = _stated_top(tags)
    return _Range(0.0, _FULL, False) if top is None else _Range(0.0, top, True)


def _stated_top(tags: Mapping[int, Any]) -> float | None:
    """Return the largest value of the used bits if a tag states it."""
    return next((top for tag in (_SMAX, _MAX) if (top := _number(tags, tag)) in _TOPS), None)


def _are_statistics(values: np.ndarray, low: float, high: float) -> bool:
    """Return whether low and high are just the extremes of float values, and not their possible range."""
    if values.dtype.kind != "f":
        return False
    finite = values[np.isfinite(values)]
    return finite.size > 0 and bool(np.allclose([finite.min(), finite.max()], [low, high], rtol=1e-6, atol=0))


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})


def _number(tags: Mapping[int, Any], tag: int) -> float | None:
    """Return the first value of a tag, or None if it is missing or not a finite number."""
    value: Any = tags.get(tag)
    try:
        number = float(value[0] if isinstance(value, tuple) else value)
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) else None
