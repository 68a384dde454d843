"""Grey images of more than 8 bits: which of their values is black, which is white, and whether the file says so.

A TIFF says it by its sample format, its bits, SMinSampleValue and SMaxSampleValue, or by a MaxSampleValue that is a
number of bits (4095 for 12; others are statistics); a PGM by its maxval, to which Pillow scales. Else 16 bits are
taken as 0 to 65535 and more of them likewise, floats as [0, 1], [0, 255] or [0, 65535], whichever holds them.
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
_OVERSHOOT = 1.5  # times the range: what sharpening or interpolation may add
_TOPS = {2.0**bits - 1 for bits in range(8, 16)}  # largest values of 8 to 15 bits
_FEW = 16  # an image that uses less than 1/16 of a range was probably meant in another one


class _Range(NamedTuple):
    """The values of black and white; whether the file states them."""

    black: float
    white: float
    is_stated: bool


def is_deep(image: Image.Image) -> bool:
    """Whether the image is grey with more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def scaled_to_bytes(image: Image.Image) -> Image.Image:
    """Mode L of a grey image with more than 8 bits."""
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
        return Image.fromarray(np.round(grey, out=grey).astype(np.uint8))


def has_doubtful_range(image: Image.Image) -> bool:
    """Whether a grey image with more than 8 bits may come out dark, faint or cut off, for lack of a statement."""
    values = np.asarray(image)
    black, white, is_stated = _range_of(values, _tags(image))
    low, high = values.min(), values.max()
    if is_stated or low == high:
        return False
    if values.dtype.kind == "f":
        return not 0 <= low <= high <= 1
    return not black <= low <= high <= white or high - low < (white - black) / _FEW


def _range_of(values: np.ndarray, tags: Mapping[int, Any]) -> _Range:
    low, high = _number(tags, _SMIN), _number(tags, _SMAX)
    is_signed = _number(tags, _FORMAT) == _SIGNED
    if (is_signed or values.dtype.kind == "f") and low is not None and high is not None and low < high:
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
    tops = [top for top in (high, _number(tags, _MAX)) if top in _TOPS]
    return _Range(0.0, tops[0], True) if tops else _Range(0.0, _FULL, False)


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})


def _number(tags: Mapping[int, Any], tag: int) -> float | None:
    """The first value of a tag, or None where it is missing or not a finite number."""
    value: Any = tags.get(tag)
    try:
        number = float(value[0] if isinstance(value, tuple) else value)
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) else None
