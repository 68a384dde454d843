"""Declare the options of loading images: how to decode, crop and split them.

    options = LoadOptions(image_size=72, crop_size=64)
    splits = load_folder("photos", options, val_fraction=0.1)

Loaders, data sets and a run's configuration take these objects as a whole, so a new option is one new field here.
"""

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from datasets.options.fields import (
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SIZE,
    CheckedOptions,
    Range,
    Size,
    option,
    sides,
)

Fit = Literal["squash", "crop", "letterbox"]  # see datasets/images/resizing.py
ALEXNET_CROP_SIZE = 227  # pixels: the side at which AlexNet's layers fit together
SHARES = Range(
    lambda value: len(value) == 2 and 0 < value[0] <= value[1] <= 1,
    "the smallest and the largest share, as in [0.08, 1]",
)
RATIO = Range(lambda value: 1 <= value < math.inf, "at least 1")


def fits(inner: Sequence[int], outer: Sequence[int]) -> bool:
    """Return whether a window of height and width `inner` fits into an image of `outer`."""
    return inner[0] <= outer[0] and inner[1] <= outer[1]


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(CheckedOptions):
    """Options of how files are decoded, and how many bad ones are tolerated."""

    image_size: Size = option(
        256,
        "side in pixels of the squares that images are resized to, once; or their height and width, HxW",
        SIZE,
    )
    resize: Fit = option(
        "squash",
        "how images of another aspect ratio are resized: squash stretches them, crop cuts the middle out, "
        "letterbox puts the whole picture on grey",
    )
    channels: Literal[1, 3] = option(3, "3 for colour, 1 for grey")
    cache_dir: str | None = option(
        None, "folder for decoded images; without it: a folder in the user's cache directory"
    )
    store: Literal["cache", "files"] = option(
        "cache",
        "cache keeps decoded images on the disk; files decodes each one again whenever a batch needs it, and keeps "
        "only a list of them, for sets whose decoded images do not fit on the disk",
    )
    max_bad_fraction: float = option(
        0.05,
        "stop if a larger share of the files cannot be decoded; fewer are left out with a warning",
        SHARE,
    )
    strict: bool = option(False, "stop at the first file that cannot be decoded")

    def __post_init__(self) -> None:
        if isinstance(self.cache_dir, os.PathLike):
            object.__setattr__(self, "cache_dir", os.fspath(self.cache_dir))
        super().__post_init__()

    @property
    def image_sides(self) -> tuple[int, int]:
        """Return the height and the width of the resized images in pixels."""
        return sides(self.image_size)


@dataclass(frozen=True, kw_only=True)
class Crops(CheckedOptions):
    """Options of how images are ordered, cropped and augmented; checkpoints save and compare them on resume."""

    crop_size: Size = option(
        ALEXNET_CROP_SIZE, "side in pixels of the square crops that the network sees, or HxW", SIZE
    )
    reflect: bool = option(
        True,
        "mirror half of the training crops, and test each crop with its mirror image: ten crops, not five",
    )
    padding: int = option(
        0, "width in pixels of a frame of the mean colour that training crops may reach into", NOT_NEGATIVE
    )
    crop_scale: tuple[float, ...] | None = option(
        None,
        "range of the share of the image's area that training crops cover before they are resized to crop_size, "
        "[0.08, 1] in Szegedy et al. 2015; without it they are not resized",
        SHARES,
    )
    crop_aspect: float = option(
        4 / 3, "with crop_scale, training crops are stretched by up to this factor either way", RATIO
    )
    color_jitter: float = option(
        0.0,
        "multiply the brightness, contrast and saturation of training crops by random factors that differ from 1 "
        "by at most this; 0 for none",
        SHARE,
    )
    pca_color: float = option(
        0.0,
        "standard deviation of a random shift of an image's colours along the principal components of the set's "
        "pixels (Krizhevsky et al. 2012, section 4.1: 0.1); 0 for none",
        NOT_NEGATIVE,
    )
    order: Literal["shuffled", "balanced"] = option(
        "shuffled",
        "images of a training epoch: every image once, or as many images with every class equally often, by "
        "repeating images of small classes and sampling large ones",
    )
    redraw: bool = option(
        True,
        "draw crops, reflections and colours anew in every epoch; false keeps those of the first epoch, as if the "
        "images had been augmented once before training",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        within = "0 with crop_scale, whose crops lie within the image"
        self._require(self.crop_scale is None or not self.padding, "padding", within)

    @property
    def crop_sides(self) -> tuple[int, int]:
        """Return the height and the width of the crops in pixels."""
        return sides(self.crop_size)

    def check_images(self, height: int, width: int, channels: int) -> None:
        """Raise OptionError unless images of that size and number of channels can be cropped like this."""
        framed = height + 2 * self.padding, width + 2 * self.padding
        largest = min(framed) if isinstance(self.crop_size, int) else f"{framed[0]}x{framed[1]}"
        self._require(
            fits(self.crop_sides, framed),
            "crop_size",
            f"at most {largest} for images of {height}x{width} pixels with a padding of {self.padding}",
        )
        has_luminance = channels in (1, 3)
        self._require(
            has_luminance or not self.color_jitter, "color_jitter", "0 unless there are 1 or 3 channels"
        )
        self._require(not self.pca_color or channels == 3, "pca_color", "0 for grey images")


@dataclass(frozen=True, kw_only=True)
class SplitOptions(CheckedOptions):
    """Options of which images are used, and which of them are held out."""

    val_fraction: float = option(
        0.2,
        "share of the training images held out to choose the best weights, if there is no val/ folder; auto is 0.1 "
        "up to 1,000 images and less for more, down to 0.05",
        FRACTION,
        auto=True,
    )
    test_fraction: float = option(
        0.2,
        "share of all images held out for the final test, if there is no test/ folder; auto as for val_fraction",
        FRACTION,
        auto=True,
    )
    sample_size: int | None = option(
        None,
        "use only this many images, drawn by the seed; of each of train/, val/ and test/ if they exist",
        POSITIVE,
    )


@dataclass(frozen=True, kw_only=True)
class LoadOptions(SplitOptions, Crops, DecodeOptions):
    """All options of a loader.

    :raises OptionError: no images could satisfy the values.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        below_crop = f"below {self.full_name('crop_size')}, or crops miss the image"
        self._require(self.padding < min(self.crop_sides), "padding", below_crop)
        within_image = f"at most {self.full_name('image_size')}, {self.image_size}"
        self._require(fits(self.crop_sides, self.image_sides), "crop_size", within_image)
        self.check_images(*self.image_sides, self.channels)

    @property
    def crops(self) -> Crops:
        """Return the options of the crops."""
        return Crops(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Crops)})
