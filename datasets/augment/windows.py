"""Crop and mirror image arrays: pure functions that keep the dtype.

Training uses one random window of each image, mirrored in half of the cases. Testing uses ten (four corners and the
centre, and their mirror images), as in Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
convolutional neural networks" (2012), section 4.1, where they are 224 pixels wide; here the size is free.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from datasets.images.array_rows import Images, at_hand
from datasets.options.fields import Size, sides
from datasets.storage.rows import narrow_type, pieces

Windows = tuple[np.ndarray, np.ndarray, np.ndarray]  # tops, lefts (pixels) and flips (bool), each (K,)


def random_crop_reflect(
    images: Images, crop_l: Size, *, rng: np.random.Generator | None = None, reflect: bool = True
) -> np.ndarray:
    """Cut one random window out of each image, mirrored left to right in half of the cases.

    :param images: (N, H, W, C), uint8 or float.
    :param crop_l: side of the window in pixels, at most H and W; or (height, width).
    :param rng: NumPy generator; None: a new one without a seed.
    :param reflect: False for images with a reading direction, such as digits.
    :return: (N, crop_l, crop_l, C), same dtype, at offsets from 0 to H - crop_l inclusive.
    :raises ValueError: crop_l does not fit into the images.
    """
    rng = np.random.default_rng() if rng is None else rng
    num_images, height, width = images.shape[:3]
    tops, lefts, flips = draw_crops(rng, num_images, height, width, crop_l, reflect)
    return crop_reflect(images, np.arange(num_images), tops, lefts, flips, crop_l)


def corner_center_crop_reflect(images: Images, crop_l: Size, *, reflect: bool = True) -> np.ndarray:
    """Cut the four corners and the centre out of each image, and mirror these five.

    :param images: (N, H, W, C), uint8 or float.
    :param crop_l: side of the windows in pixels, at most H and W; or (height, width).
    :param reflect: False omits the mirrored five.
    :return: (N, 10, crop_l, crop_l, C), same dtype: top left, top right, bottom left, bottom right, centre, then
        the same five mirrored; (N, 5, crop_l, crop_l, C) without reflection.
    :raises ValueError: crop_l does not fit into the images.
    """
    _, height, width, _ = images.shape
    windows = corner_center_windows(height, width, crop_l, reflect)
    return crop_windows(images, np.arange(len(images)), windows, crop_l)


def center_crop(images: Images, crop_l: Size) -> np.ndarray:
    """Cut the centre out of each image: (N, H, W, C) -> (N, crop_l, crop_l, C), same dtype.

    :raises ValueError: crop_l does not fit into the images.
    """
    _, height, width, _ = images.shape
    windows = center_window(height, width, crop_l)
    return crop_windows(images, np.arange(len(images)), windows, crop_l)[:, 0]


def draw_crops(
    rng: np.random.Generator, num_images: int, height: int, width: int, crop_l: Size, reflect: bool
) -> Windows:
    """Draw a window and a mirror flag for each of num_images images of height x width pixels.

    :return: tops, lefts (int16 or int64, pixels) and flips (bool), each (num_images,).
    :raises ValueError: crop_l does not fit into the images.
    """
    _check_crop(height, width, crop_l)
    tops, lefts = (
        in_pieces(num_images, partial(_draw_offsets, rng, most), pixel_type(most))
        for most in np.subtract((height, width), sides(crop_l)).tolist()
    )
    flips = draw_flips(rng, num_images)
    return tops, lefts, flips if reflect else np.zeros_like(flips)


def draw_flips(rng: np.random.Generator, num_images: int) -> np.ndarray:
    """Draw whether each image is mirrored: (num_images,) bool."""
    return in_pieces(num_images, lambda piece: rng.random(piece.stop - piece.start) < 0.5, bool)


def _draw_offsets(rng: np.random.Generator, most: int, piece: slice) -> np.ndarray:
    return rng.integers(0, most + 1, size=piece.stop - piece.start)


def in_pieces(
    count: int, draw: Callable[[slice], np.ndarray], dtype: DTypeLike, shape: tuple[int, ...] = ()
) -> np.ndarray:
    """Call `draw` for some images at a time, because it needs more memory than its result: (count, *shape).

    The numbers drawn are those of a single call.
    """
    values = np.empty((count, *shape), dtype)
    for piece in pieces(count):
        values[piece] = draw(piece)
    return values


def pixel_type(most: int) -> type[np.signedinteger]:
    """Return the type for positions in an image: 2 bytes, unless they can be larger than 32,767."""
    return narrow_type(most, np.int16)


def center_window(height: int, width: int, crop_l: Size) -> Windows:
    """Return the tops, lefts and flips, each (1,), of the window in the middle."""
    _check_crop(height, width, crop_l)
    crop_height, crop_width = sides(crop_l)
    return np.array([(height - crop_height) // 2]), np.array([(width - crop_width) // 2]), np.array([False])


def corner_center_windows(height: int, width: int, crop_l: Size, reflect: bool = True) -> Windows:
    """Return the tops, lefts and flips, each (10,) or (5,), in the order of `corner_center_crop_reflect`."""
    (middle_top,), (middle_left,), _ = center_window(height, width, crop_l)
    crop_height, crop_width = sides(crop_l)
    bottom, right = height - crop_height, width - crop_width
    copies = 2 if reflect else 1
    tops = np.tile([0, 0, bottom, bottom, middle_top], copies)
    lefts = np.tile([0, right, 0, right, middle_left], copies)
    return tops, lefts, np.repeat([False, True][:copies], 5)


def fixed_windows(height: int, width: int, crop_l: Size, reflect: bool = True) -> Windows:
    """Return the windows of a test; if all five coincide, only the first and its mirror image."""
    windows = corner_center_windows(height, width, crop_l, reflect)
    step = 5 if sides(crop_l) == (height, width) else 1
    tops, lefts, flips = (values[::step] for values in windows)
    return tops, lefts, flips


def crop_windows(
    images: Images,
    indices: np.ndarray,
    windows: Windows,
    crop_l: Size,
    *,
    padding: int = 0,
    fill: np.ndarray | float = 0,
) -> np.ndarray:
    """Cut the same K windows out of each chosen image: (B, K, h, w, C)."""
    num_windows = len(windows[0])
    repeated = np.repeat(indices, num_windows)
    tops, lefts, flips = (np.tile(values, len(indices)) for values in windows)
    crops = crop_reflect(images, repeated, tops, lefts, flips, crop_l, padding=padding, fill=fill)
    return crops.reshape(len(indices), num_windows, *crops.shape[1:])


def crop_reflect(
    images: Images,
    indices: np.ndarray,
    tops: np.ndarray,
    lefts: np.ndarray,
    flips: np.ndarray,
    crop_l: Size,
    *,
    padding: int = 0,
    fill: np.ndarray | float = 0,
) -> np.ndarray:
    """Cut window b out of image indices[b] for each b, reading only the pixels of the windows.

    :param images: (N, H, W, C), uint8 or float: an array, a memory map, or ImageRows.
    :param indices: (B,) rows of `images`.
    :param tops: (B,) first row of each window, in pixels of the padded image.
    :param lefts: (B,) first column of each window, in pixels of the padded image.
    :param flips: (B,) bool, whether the window is mirrored left to right.
    :param crop_l: side of the windows in pixels, or (height, width).
    :param padding: width in pixels of the frame around each image.
    :param fill: value of the frame, a number or (C,).
    :return: (B, h, w, C), same dtype.
    :raises ValueError: a window reaches beyond its padded image.
    """
    _, height, width, channels = images.shape
    _check_windows(tops, lefts, height + 2 * padding, width + 2 * padding, crop_l)
    pixels, indices = at_hand(images, indices)
    crop_height, crop_width = sides(crop_l)
    crops = np.empty((len(indices), crop_height, crop_width, channels), images.dtype)
    if padding:
        crops[...] = fill
    scratch = np.empty((crop_height, crop_width, channels), images.dtype)
    windows = zip(*(np.asarray(v).tolist() for v in (indices, tops, lefts, flips)), strict=True)
    for crop, (index, top, left, flip) in zip(crops, windows, strict=True):
        rows, target_rows = _overlap(top - padding, crop_height, height)
        columns, target_columns = _overlap(left - padding, crop_width, width)
        window = pixels[index, rows, columns]
        if flip:
            copy_mirrored(window, crop[target_rows, ::-1][:, target_columns], scratch)
        else:
            crop[target_rows, target_columns] = window
    return crops


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """Return the overlap of a window and an image, as a slice of the image and one of the window."""
    first = max(start, 0)
    last = max(first, min(start + length, size))
    return slice(first, last), slice(first - start, last - start)


def copy_mirrored(window: np.ndarray, target: np.ndarray, scratch: np.ndarray) -> None:
    """Copy a window to a target with reversed columns, one channel at a time.

    NumPy mirrors short pixels slowly. One long strided copy per channel is more than twice as fast if the window is
    in the processor's cache, to which the copy to scratch brings it.
    """
    near = scratch[: window.shape[0], : window.shape[1]]
    near[...] = window
    for channel in range(window.shape[2]):
        target[..., channel] = near[..., channel]


def _check_crop(height: int, width: int, crop_l: Size) -> None:
    crop_height, crop_width = sides(crop_l)
    if 1 <= crop_height <= height and 1 <= crop_width <= width:
        return
    shown = f"{crop_l}" if crop_height == crop_width else f"{crop_height}x{crop_width}"
    raise ValueError(
        f"a crop of {shown} pixels does not fit into images of {height}x{width}; "
        f"choose a crop size from 1 to {min(height, width)}"
    )


def _check_windows(tops: np.ndarray, lefts: np.ndarray, height: int, width: int, crop_l: Size) -> None:
    _check_crop(height, width, crop_l)
    crop_height, crop_width = sides(crop_l)
    for name, offsets, last in (("top", tops, height - crop_height), ("left", lefts, width - crop_width)):
        if len(offsets) and not 0 <= np.min(offsets) <= np.max(offsets) <= last:
            raise ValueError(f"the {name} offsets of windows of {crop_l} pixels must lie in 0..{last}")
