"""Check the values of a set's images and labels once, when the set is made."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from datasets.images.array_rows import Images

_BYTES = 2**24  # that are checked at a time
_SLACK = 1e-3  # tolerance of pixels outside [0, 1], after resizing, and of sums of shares
_OVERSHOOT = (-0.5, 1.5)  # range of [0, 1] after sharpening or bicubic resizing
_MOST_CLASSES = 2**31


def check_pixels(images: Images) -> None:
    """Check that float images have values in [0, 1], as bytes always do.

    :param images: (N, H, W, C) uint8 or float; floats are read once, a part at a time.
    :raises ValueError: names the first bad image and the remedy.
    """
    if images.dtype == np.uint8 or 0 in images.shape:
        return
    step = _rows_at_once(images)
    for start in range(0, len(images), step):
        part = np.asarray(images[start : start + step])
        if not -_SLACK <= part.min() <= part.max() <= 1 + _SLACK:  # NaN is not between any two
            is_bad = ~((part >= -_SLACK) & (part <= 1 + _SLACK)).all(axis=(1, 2, 3))
            row = int(is_bad.argmax())
            raise ValueError(f"image {start + row} {_about_pixels(part[row])}")


def checked_labels(labels: ArrayLike | None) -> Any:
    """Return labels that a network can learn: a column becomes (N,), whole floats and booleans become integers.

    :param labels: (N,) or (N, 1) class numbers from 0, (N, K) one-hot, (N, K) probabilities, or None.
    :return: (N,) integers, (N, K) numbers, or None; the same array if nothing changes.
    :raises ValueError: names the first bad label and the remedy.
    """
    if labels is None:
        return None
    values = np.asarray(labels)
    if values.dtype.kind not in "buif" or values.ndim not in (1, 2):
        raise ValueError(
            f"labels of dtype {values.dtype} and shape {values.shape}; give class numbers (N,) from 0, or "
            "one-hot rows (N, K)"
        )
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.ndim == 2 and values.shape[1] != 1:
        _check_rows(values)
        return values
    numbers = values.reshape(-1)
    _check_numbers(numbers)
    return numbers.astype(np.int64) if numbers.dtype.kind == "f" else numbers


def _check_numbers(numbers: np.ndarray) -> None:
    """Raise ValueError unless (N,) holds class numbers."""
    is_bad = ~((numbers >= 0) & (numbers < _MOST_CLASSES))  # ~ catches NaN
    if numbers.dtype.kind == "f":
        is_bad |= np.floor(numbers) != numbers
    if is_bad.any():
        row = int(is_bad.argmax())
        raise ValueError(
            f"label {row} is {numbers[row]}; class numbers are whole and start at 0: leave such images out, or "
            "give each a class number of 0 or more"
        )


def _check_rows(rows: np.ndarray) -> None:
    """Raise ValueError unless each row of (N, K) is one-hot, or holds probabilities where these are floats."""
    step = _rows_at_once(rows)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        is_bad = ~((part >= 0).all(axis=1) & (np.abs(part.sum(axis=1, dtype=np.float64) - 1) <= _SLACK))
        if is_bad.any():
            row = int(is_bad.argmax())
            raise ValueError(
                f"label {start + row} is {_shown(part[row])}; a row is one-hot (one 1, else 0), or probabilities "
                "that sum to 1; give several classes of one image as shares, class numbers (N,), or labels=None "
                "for a set without labels"
            )


def _rows_at_once(values: Images) -> int:
    return max(1, _BYTES // max(1, int(np.prod(values.shape[1:])) * values.dtype.itemsize))


def _about_pixels(image: np.ndarray) -> str:
    """Describe what is wrong with the floats of an image, and the remedy."""
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        return "has a pixel that is NaN or infinite; repair it or leave it out"
    found = f"has pixels from {low:.4g} to {high:.4g}; float images lie in [0, 1]: "
    if _OVERSHOOT[0] <= low and high <= _OVERSHOOT[1]:
        centred = ", or leave the mean in if it was subtracted" if low < -_SLACK else ""
        return f"{found}clip to [0, 1], as resizing overshoots{centred}"
    if low < -_SLACK:
        return found + "leave the mean in (the network subtracts it), and scale or clip to [0, 1]"
    if high <= 255 * (1 + _SLACK):
        return found + "divide by 255, or give uint8 in [0, 255]"
    return found + "divide by the largest value that a pixel can have"


def _shown(row: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:g}" for value in row[:6]) + (", ...]" if len(row) > 6 else "]")
