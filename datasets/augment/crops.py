"""Cut and augment the images of a batch by a set's options."""

from functools import cached_property

import numpy as np

from datasets.augment.color import ColorShift
from datasets.augment.jitter import ColorJitter
from datasets.augment.random_size import SizedWindows, crop_resize, draw_sized_windows
from datasets.augment.sampling import CROPS, Sampler
from datasets.augment.windows import Windows, center_window, crop_reflect, crop_windows, fixed_windows
from datasets.images.array_rows import Images, channel_mean
from datasets.options.loading import Crops, fits

_CHUNK = 256  # images in memory during a pass over all pixels
# Change the pixels of training crops, in this order. Each class is made with (images, crops, sampler), reads its
# own option from the crops, has its own stream of random numbers for `Sampler.drawn`, and is called with (patches,
# indices, epoch).
AUGMENTATIONS = (ColorJitter, ColorShift)


class Cropper:
    """Cut the windows of a batch: random ones for training, fixed ones for testing.

    :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1].
    :param sampler: draws the random numbers.
    :param channel_sums: (N, C) sums over each image's pixels if known, to save a pass for the mean.
    :raises OptionError: these images cannot satisfy the options.
    """

    def __init__(
        self, images: Images, crops: Crops, sampler: Sampler, channel_sums: Images | None = None
    ) -> None:
        crops.check_images(*images.shape[1:])
        self._images, self._crops, self._sampler = images, crops, sampler
        self._channel_sums = channel_sums
        self._augmentations = [augmentation(images, crops, sampler) for augmentation in AUGMENTATIONS]

    @property
    def num_crops(self) -> int:
        """Return the number of windows that `fixed` cuts out of each image: see `DataSet.num_crops`."""
        return len(self._test_windows()[0])

    @cached_property
    def channel_mean(self) -> np.ndarray:
        """Return the mean of each channel over all pixels, in [0, 1]: float64 (C,); computed once."""
        return channel_mean(self._images, self._channel_sums)

    @property
    def pixel_mean(self) -> np.ndarray:
        """Return the mean of each pixel over the centre windows, in [0, 1]: float64 (h, w, C)."""
        count = len(self._images)
        if count < 1:
            raise ValueError("without images there is no mean; give at least one image")
        rows = (np.arange(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK))
        total = sum(self.center(chunk).sum(axis=0, dtype=np.float64) for chunk in rows)
        return total / (count * (255.0 if self._images.dtype == np.uint8 else 1.0))

    def drawn(self, indices: np.ndarray, epoch: int, rows: np.ndarray | None = None) -> np.ndarray:
        """Return one random window of each image, augmented: (B, h, w, C).

        :param rows: (B,) rows of the sampler's tables, see `Sampler.next_parts`; None: `indices`.
        """
        rows = indices if rows is None else rows
        epoch = epoch if self._crops.redraw else 0
        cut = self._shifted if self._crops.crop_scale is None else self._resized
        patches = cut(indices, rows, epoch)
        for augment in self._augmentations:
            patches = augment(patches, rows, epoch)
        return patches

    @property
    def num_variants(self) -> int | None:
        """Return how many crops of an image `drawn` can return: 1, 2 with the mirror image, or None for more."""
        crops = self._crops
        if not crops.redraw and crops.order == "shuffled":
            return 1
        is_plain = crops == Crops(crop_size=crops.crop_size, reflect=crops.reflect, order=crops.order)
        if not is_plain or crops.crop_sides != self._images.shape[1:3]:
            return None
        return 2 if crops.reflect else 1

    def variants(self, indices: np.ndarray) -> np.ndarray:
        """Return the crops that `drawn` can return, if there are few: (num_variants, B, h, w, C)."""
        if not self._crops.redraw:
            return self.drawn(indices, 0)[np.newaxis]
        whole = self.center(indices)
        return np.stack([whole, whole[:, :, ::-1]][: self.num_variants])

    def variant_numbers(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        """Return which of the variants `drawn` returns in an epoch: int (B,)."""
        if self.num_variants == 1:
            return np.zeros(len(rows), np.intp)
        crops, sides = self._crops, self._sides(0)
        flips = self._sampler.windows(epoch, *sides, crops.crop_sides, crops.reflect)[2]
        return flips[rows].astype(np.intp)

    def _shifted(self, indices: np.ndarray, rows: np.ndarray, epoch: int) -> np.ndarray:
        """Cut a window of the size of the crop at a random position."""
        crops = self._crops
        height, width = self._sides(crops.padding)
        windows = self._sampler.windows(epoch, height, width, crops.crop_sides, crops.reflect)
        tops, lefts, flips = (values[rows] for values in windows)
        padding, fill = crops.padding, self._fill(indices, crops.padding)
        return crop_reflect(
            self._images, indices, tops, lefts, flips, crops.crop_sides, padding=padding, fill=fill
        )

    def _resized(self, indices: np.ndarray, rows: np.ndarray, epoch: int) -> np.ndarray:
        """Cut a window of random size, shape and position, and resize it."""
        height, width = self._sides(0)
        windows = self._sampler.drawn(
            CROPS,
            epoch,
            lambda rng: draw_sized_windows(rng, self._sampler.num_examples, height, width, self._crops),
        )
        chosen = SizedWindows(*(values[rows] for values in windows))
        return crop_resize(self._images, indices, chosen, self._crops.crop_sides)

    def fixed(self, indices: np.ndarray) -> np.ndarray:
        """Return the windows of a test: (B, num_crops, h, w, C)."""
        return self._cut(indices, self._test_windows())

    def center(self, indices: np.ndarray) -> np.ndarray:
        """Return the window in the middle of each image: (B, h, w, C)."""
        return self._cut(indices, center_window(*self._sides(self._needed), self._crops.crop_sides))[:, 0]

    def _test_windows(self) -> Windows:
        return fixed_windows(*self._sides(self._needed), self._crops.crop_sides, self._crops.reflect)

    def _cut(self, indices: np.ndarray, windows: Windows) -> np.ndarray:
        padding, fill = self._needed, self._fill(indices, self._needed)
        return crop_windows(
            self._images, indices, windows, self._crops.crop_sides, padding=padding, fill=fill
        )

    @property
    def _needed(self) -> int:
        """Return the width of the frame for fixed windows, which is 0 if they fit without it."""
        return 0 if fits(self._crops.crop_sides, self._images.shape[1:3]) else self._crops.padding

    def _sides(self, padding: int) -> tuple[int, int]:
        """Return the height and the width of the images with their frame."""
        height, width = self._images.shape[1:3]
        return height + 2 * padding, width + 2 * padding

    def _fill(self, indices: np.ndarray, padding: int) -> np.ndarray | float:
        """Return the mean colour, which fills the frame, in the units of the images."""
        if not padding or not len(indices):
            return 0
        is_bytes = self._images.dtype == np.uint8
        return np.round(self.channel_mean * 255.0).astype(np.uint8) if is_bytes else self.channel_mean
