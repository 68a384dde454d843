"""How the images of a batch are cut out and changed: the options, and the class that does it."""

import math
from dataclasses import dataclass

import numpy as np

from datasets.augment.color import color_components, shift_colors
from datasets.augment.sampling import Sampler
from datasets.augment.windows import Windows, center_window, corner_center_windows, crop_reflect, crop_windows
from datasets.errors import OptionError
from datasets.images.array_rows import Images, channel_mean

_CHUNK = 256  # images that a pass over all pixels holds in memory at a time


@dataclass(frozen=True, kw_only=True)
class Crops:
    """The options of `datasets.dataset.DataSet` of these names, in one piece that a loader can pass on."""

    crop_size: int
    reflect: bool = True
    padding: int = 0
    pca_color: float = 0.0
    redraw: bool = True

    def check(self, height: int, width: int, channels: int) -> None:
        """Refuses what images of that size cannot satisfy; a loader asks before it decodes them.

        :raises OptionError: names the option.
        """
        if self.padding < 0:
            raise OptionError(f"padding is {self.padding}; give the width of the frame in pixels, 0 for none")
        largest = min(height, width) + 2 * self.padding
        if not 1 <= self.crop_size <= largest:
            raise OptionError(
                f"crop_size {self.crop_size} does not fit into images of {height}x{width} with a padding of "
                f"{self.padding}; choose 1 to {largest} pixels"
            )
        if not (self.pca_color >= 0 and math.isfinite(self.pca_color)):
            raise OptionError(f"pca_color is {self.pca_color}; give a standard deviation, 0 for none")
        if self.pca_color and channels != 3:
            raise OptionError(f"pca_color is {self.pca_color}, but grey images have no colours; give 0")


class Cropper:
    """Cuts the windows of a batch: drawn ones for training, fixed ones for testing.

    :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1].
    :param sampler: draws the windows and the colours.
    :param channel_sums: (N, C) sums over each image's pixels where known, to save a pass for the mean.
    :raises OptionError: options that these images cannot satisfy.
    """

    def __init__(
        self, images: Images, crops: Crops, sampler: Sampler, channel_sums: np.ndarray | None = None
    ) -> None:
        crops.check(*images.shape[1:])
        self._images, self._crops, self._sampler = images, crops, sampler
        self._channel_sums = channel_sums
        self._mean: np.ndarray | None = None
        self._components: np.ndarray | None = None

    @property
    def num_crops(self) -> int:
        """How many windows `fixed` cuts out of each image: see `DataSet.num_crops`."""
        return len(self._test_windows()[0])

    @property
    def channel_mean(self) -> np.ndarray:
        """The mean of each channel over all pixels, in [0, 1]: float64 (C,); computed once."""
        if self._mean is None:
            self._mean = channel_mean(self._images, self._channel_sums)
        return self._mean

    @property
    def pixel_mean(self) -> np.ndarray:
        """The mean of each pixel of the centre windows, in [0, 1]: float64 (h, w, C)."""
        if len(self._images) < 1:
            raise ValueError("no images have no mean; give at least one image")
        chunks = (
            self.center(np.arange(start, min(start + _CHUNK, len(self._images))))
            for start in range(0, len(self._images), _CHUNK)
        )
        total = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in chunks)
        return total / (len(self._images) * (255.0 if self._images.dtype == np.uint8 else 1.0))

    def drawn(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        """One random window of each image: (B, h, w, C)."""
        crops = self._crops
        epoch = epoch if crops.redraw else 0
        height, width = self._sides(crops.padding)
        windows = self._sampler.windows(epoch, height, width, crops.crop_size, crops.reflect)
        tops, lefts, flips = (values[indices] for values in windows)
        patches = crop_reflect(
            self._images,
            indices,
            tops,
            lefts,
            flips,
            crops.crop_size,
            padding=crops.padding,
            fill=self._fill(indices, crops.padding),
        )
        if not crops.pca_color or not len(indices):
            return patches
        if self._components is None:
            self._components = color_components(self._images)
        multiples = crops.pca_color * self._sampler.color_multiples(epoch)[indices]  # (B, 3)
        return shift_colors(patches, multiples @ self._components)

    def fixed(self, indices: np.ndarray) -> np.ndarray:
        """The windows of a test: (B, num_crops, h, w, C)."""
        return self._cut(indices, self._test_windows())

    def center(self, indices: np.ndarray) -> np.ndarray:
        """The window in the middle of each image: (B, h, w, C)."""
        return self._cut(indices, center_window(*self._sides(self._needed), self._crops.crop_size))[:, 0]

    def _test_windows(self) -> Windows:
        """The windows of a test; where all five coincide, the first of them and its mirror image."""
        height, width = self._sides(self._needed)
        windows = corner_center_windows(height, width, self._crops.crop_size, self._crops.reflect)
        step = 5 if self._crops.crop_size == height == width else 1
        tops, lefts, flips = (values[::step] for values in windows)
        return tops, lefts, flips

    def _cut(self, indices: np.ndarray, windows: Windows) -> np.ndarray:
        fill = self._fill(indices, self._needed)
        return crop_windows(
            self._images, indices, windows, self._crops.crop_size, padding=self._needed, fill=fill
        )

    @property
    def _needed(self) -> int:
        """Pixels of the frame that windows reach into where nothing is drawn: none, if they fit without it."""
        return 0 if self._crops.crop_size <= min(self._images.shape[1:3]) else self._crops.padding

    def _sides(self, padding: int) -> tuple[int, int]:
        """Height and width of the images with their frame."""
        height, width = self._images.shape[1:3]
        return height + 2 * padding, width + 2 * padding

    def _fill(self, indices: np.ndarray, padding: int) -> np.ndarray | float:
        """What a frame holds: the mean colour, as the images hold it."""
        if not padding or not len(indices):
            return 0
        is_bytes = self._images.dtype == np.uint8
        return np.round(self.channel_mean * 255.0).astype(np.uint8) if is_bytes else self.channel_mean
