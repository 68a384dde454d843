"""Decode image files to upright 8-bit RGB or grey pixels. No other module decodes images.

The content decides the format, not the name. Animations give their first frame, the EXIF orientation is applied,
and transparent pixels are put on white. Colour profiles are converted to sRGB (`color_profiles`), and more than 8
bits are scaled by the range that the file states (`bit_depth`).
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from datasets.errors import DataError
from datasets.images import bit_depth
from datasets.images.color_profiles import has_other_profile, in_srgb
from datasets.images.formats import SUFFIXES
from datasets.images.hidden_warnings import SILENCE
from datasets.images.resizing import resize_picture
from datasets.options.fields import Size, sides
from datasets.options.loading import Fit

MAX_PIXELS = 64 * 2**20  # about 200 MB as RGB; more is refused from the header alone

_FORMATS = tuple(SUFFIXES)  # none that runs a program, as EPS would
_MODES = {1: "L", 3: "RGB"}
_DECODE_ERRORS = (  # what Pillow's readers raise on damaged files
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(EOFError, RuntimeError, AssertionError, BufferError, struct.error, zlib.error),
)
_OUT_OF_MEMORY = "out of memory"  # start of the OSError of decoders written in C


class ImageError(DataError):
    """An image cannot be read; the message is the reason, in one short sentence."""


@dataclass(frozen=True)
class ImageFacts:
    """Properties of a file before it became upright RGB.

    :param format: a key of `datasets.images.formats.SUFFIXES`.
    :param mode: Pillow's name of the pixels: RGB, L (grey), CMYK, P (palette), RGBA, I;16 and so on.
    :param is_deep: more than 8 bits a channel.
    :param is_range_doubtful: deep, with values whose range is not stated and may be another one.
    :param has_profile: a colour profile other than sRGB.
    :param has_transparency: an alpha channel or a transparent colour.
    :param orientation: of EXIF; 1 is upright.
    """

    format: str
    mode: str
    is_deep: bool
    is_range_doubtful: bool
    has_profile: bool
    has_transparency: bool
    num_frames: int
    orientation: int


def read_image(source: Path | str | bytes, *, channels: int = 3) -> np.ndarray:
    """Decode an image.

    :param source: a path, or the bytes of a file.
    :param channels: 3 for RGB, 1 for luminance (ITU-R 601).
    :return: (H, W, channels) uint8 in [0, 255], upright.
    :raises ImageError: the file is not an image, is damaged or truncated, or has more than MAX_PIXELS.
    :raises MemoryError: there is too little memory; the image may be good.
    """
    return _as_array(_decode(source, channels, at_least=None))


def read_resized(
    source: Path | str | bytes, size: Size, *, channels: int = 3, fit: Fit = "squash"
) -> np.ndarray:
    """Decode an image and resize it, as `read_image` and `datasets.images.resizing.resize_image` do.

    A JPEG of more than four times the target size is decoded at a half, a quarter or an eighth of its own size,
    which is several times faster and differs by a few levels at most.

    :param size: side in pixels of a square, or (height, width).
    :return: (height, width, channels) uint8, upright.
    """
    height, width = sides(size)
    image = _decode(source, channels, at_least=2 * max(height, width))
    return _as_array(resize_picture(image, height, width, fit))


def inspect_image(source: Path | str | bytes) -> tuple[np.ndarray, ImageFacts]:
    """Decode an image as `read_image` does, and return its pixels (H, W, 3) uint8 and its original properties."""
    with _opened(source) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)  # MPO is a JPEG followed by others
        # Before loading, which may change them: Pillow turns a TIFF upright by itself.
        mode, is_deep, orientation = image.mode, _is_deep(image), _orientation(image)
        pixels = _as_array(_loaded(image, "RGB"))
        is_range_doubtful = is_deep and _is_range_doubtful(image, pixels)
        has_profile, has_transparency = has_other_profile(image), image.has_transparency_data
        num_frames = 1 if kind == "JPEG" else _num_frames(image)  # last, since it moves through the file
        return pixels, ImageFacts(
            kind, mode, is_deep, is_range_doubtful, has_profile, has_transparency, num_frames, orientation
        )


def _decode(source: Path | str | bytes, channels: int, at_least: int | None) -> Image.Image:
    """Return an upright image of mode L or RGB; a JPEG may be decoded smaller, but not below at_least pixels."""
    if channels not in _MODES:
        raise ValueError(f"channels is {channels}; give 3 for RGB or 1 for grey")
    with _opened(source) as image:
        if at_least is not None:
            image.draft(None, (at_least, at_least))
        return _loaded(image, _MODES[channels])


def _loaded(image: Image.Image, mode: str) -> Image.Image:
    image.load()
    with suppress(*_DECODE_ERRORS):  # ignore an invalid EXIF block
        ImageOps.exif_transpose(image, in_place=True)  # in place, since `bit_depth` reads the tags of a TIFF
    return _flattened(image).convert(mode)


@contextmanager
def _opened(source: Path | str | bytes) -> Iterator[Image.Image]:
    """Yield an image of which only the header was read, and raise ImageError for what fails inside."""
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from error
    if not data:
        raise ImageError("the file is empty")
    with SILENCE:
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(image)
                yield image
        except Image.UnidentifiedImageError:
            raise ImageError(f"not an image of a known format ({', '.join(_FORMATS)})") from None
        except Image.DecompressionBombError:
            raise ImageError(f"the image has more than the {MAX_PIXELS} pixels that are decoded") from None
        except bit_depth.DepthError as error:
            raise ImageError(str(error)) from error
        except _DECODE_ERRORS as error:
            if str(error).startswith(_OUT_OF_MEMORY):
                raise MemoryError(str(error)) from error
            raise ImageError(f"damaged image ({error or type(error).__name__})") from error


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the image has more than the {MAX_PIXELS} pixels that are decoded ({width}x{height})"
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, or 1 (upright) without a valid EXIF block."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODE_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _num_frames(image: Image.Image) -> int:
    """Return the number of frames; 1 if those after the first are damaged, since only the first is used."""
    with suppress(*_DECODE_ERRORS):
        return getattr(image, "n_frames", 1)
    return 1


def _is_deep(image: Image.Image) -> bool:
    """Return whether a channel has over 8 bits; Pillow reads 16 bits of colour as 8, but its tiles name them."""
    return bit_depth.is_deep(image) or any(";16" in str(tile) for tile in getattr(image, "tile", ()))


def _is_range_doubtful(image: Image.Image, pixels: np.ndarray) -> bool:
    """Extend `bit_depth.has_doubtful_range` to colours, of whose 16 bits fewer may be used."""
    return bit_depth.has_doubtful_range(image) if bit_depth.is_deep(image) else 0 < pixels.max() < 16


def _flattened(image: Image.Image) -> Image.Image:
    """Return the image in mode L or RGB, with transparent pixels on white."""
    image = bit_depth.scaled_to_bytes(image) if bit_depth.is_deep(image) else bit_depth.scaled_colours(image)
    image = in_srgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _as_array(image: Image.Image) -> np.ndarray:
    pixels = np.array(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels
