"""Select rows of an array by index, and read them only when they are needed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from datasets.storage.rows import Rows, row_numbers

_CHUNK = 256  # rows that a pass over all pixels holds in memory at a time


class ImageRows:
    """Selected rows of a base without a copy, so that a memory map stays on disk and files stay undecoded.

    A slice returns ImageRows; an integer returns one image as the base does; an array of indices or a tuple with
    further axes returns a NumPy array with a copy of the selection.

    :param base: (N, H, W, C) array or memory map, `datasets.cache.on_demand.ImagesOnDemand`, or other ImageRows;
        or what is kept of each image, such as its sums (N, C).
    :param rows: (M,) indices into base.
    :raises IndexError: a row is not in base.
    """

    def __init__(self, base: Any, rows: Rows) -> None:
        asked = row_numbers(rows, len(base))
        if isinstance(base, ImageRows):
            asked, base = base.rows[asked], base.base
        self.base: Any = base
        self.rows: np.ndarray = asked
        self.is_at_hand = isinstance(base, np.ndarray)  # else every access decodes files
        self._pixels = np.asarray(base) if self.is_at_hand else base
        self.shape: tuple[int, ...] = (len(asked), *self._pixels.shape[1:])  # (M, H, W, C)
        self.dtype, self.ndim = self._pixels.dtype, self._pixels.ndim

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"ImageRows(shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self._rows_and_axes(key)
        if key is Ellipsis:
            return self
        if isinstance(key, slice):
            return ImageRows(self.base, self.rows[key])
        return self._pixels[self.rows[key]]

    def _rows_and_axes(self, key: tuple[Any, ...]) -> np.ndarray:
        if not key or key[0] is Ellipsis or key[0] is None:
            return np.asarray(self)[key]
        first, *rest = key
        if isinstance(first, slice) and not all(isinstance(axis, slice) for axis in rest):
            within = (slice(None), *rest)
            return self._pixels[self.rows[first]][within]
        chosen = (self.rows[first], *rest)
        return self._pixels[chosen]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the rows of ImageRows can only be turned into an array by copying them")
        return self._pixels[self.rows].astype(dtype or self.dtype, copy=False)

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the rows as consecutive arrays (at most 256, H, W, C)."""
        for start in range(0, len(self), _CHUNK):
            yield self._pixels[self.rows[start : start + _CHUNK]]

    def min(self) -> Any:
        """Return the smallest value."""
        return min(chunk.min() for chunk in self.chunks())

    def max(self) -> Any:
        """Return the largest value."""
        return max(chunk.max() for chunk in self.chunks())

    def mean(self, axis: tuple[int, ...] | None = None) -> Any:
        """Return the mean of all values (axis None, float64) or of each channel (axis (0, 1, 2), float64 (C,))."""
        if axis not in (None, (0, 1, 2)):
            raise ValueError(f"ImageRows has a mean over everything or over axes (0, 1, 2), not over {axis}")
        # The first axis is the fastest.
        totals = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in self.chunks())  # (H, W, C)
        size = np.prod(self.shape) if axis is None else np.prod(self.shape[:3])
        return totals.sum(axis=None if axis is None else (0, 1)) / size


Images = np.ndarray | ImageRows


def at_hand(images: Images, indices: np.ndarray) -> tuple[Images, np.ndarray]:
    """Return what holds the pixels of the chosen images, and their rows in it.

    Images that are decoded on demand are decoded here, each once and all together.
    """
    if isinstance(images, np.ndarray):
        return np.asarray(images), indices  # slices of a memmap are slow
    if images.is_at_hand:
        return images, indices
    asked, rows = np.unique(indices, return_inverse=True)
    return images[asked], rows


def channel_mean(images: Images, channel_sums: Images | None = None) -> np.ndarray:
    """Return the mean of each channel over all pixels, in [0, 1]: float64 (C,).

    :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1].
    :param channel_sums: (N, C) sums over each image's pixels if known, to save a pass over the images.
    :raises ValueError: there are no images.
    """
    num_images, height, width, _ = images.shape
    if num_images < 1:
        raise ValueError("without images there is no mean; give at least one image")
    if channel_sums is None:
        mean = ImageRows(images, slice(None)).mean(axis=(0, 1, 2))
    else:
        sums = ImageRows(channel_sums, slice(None)).chunks()
        # Sums of bytes are whole numbers, which float64 adds exactly up to 2^53, in any order.
        mean = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in sums) / (num_images * height * width)
    return mean / 255.0 if images.dtype == np.uint8 else mean
