"""Cut training crops of random size and shape, and resize them: "Going deeper with convolutions".

Szegedy et al. 2015, section 6: the windows cover 8% to 100% of the image, and their aspect ratio lies between 3/4
and 4/3. As in later implementations, the share of the area is uniform and the aspect ratio log-uniform. Those
implementations draw again if a window does not fit, which makes large windows rarer. Here the aspect ratio is drawn
from those that fit, so that the share stays uniform and every image needs the same random numbers.
"""

from typing import NamedTuple

import numpy as np

from datasets.augment.windows import copy_mirrored, draw_flips, in_pieces, pixel_type
from datasets.images.array_rows import Images, at_hand
from datasets.images.resizing import resize_image
from datasets.options.loading import Crops


class SizedWindows(NamedTuple):
    """Windows of different sizes: tops, lefts, heights and widths (pixels) and flips (bool), each (K,)."""

    tops: np.ndarray
    lefts: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    flips: np.ndarray


def draw_sized_windows(
    rng: np.random.Generator, num_images: int, height: int, width: int, crops: Crops
) -> SizedWindows:
    """Draw a window and a mirror flag for each of num_images images of height x width pixels.

    The aspect ratio (width / height) of a window divided by that of the crop lies between 1 / `Crops.crop_aspect`
    and `Crops.crop_aspect`. If no such window of the drawn area fits into the image, it is the nearest that does.

    :param crops: `crop_scale` is the range of the window's share of the image's area.
    """
    smallest, largest = crops.crop_scale or (1.0, 1.0)
    shares, positions = rng.uniform(smallest, largest, num_images), rng.random(num_images)
    pixels = pixel_type(max(height, width))
    window_sides = in_pieces(
        num_images,
        lambda piece: _window_sides(shares[piece], positions[piece], height, width, crops),
        np.int32,  # whose products, the areas, fit as well
        (2,),
    )
    heights, widths = window_sides.T
    tops = in_pieces(num_images, lambda piece: rng.integers(0, height - heights[piece] + 1), pixels)
    lefts = in_pieces(num_images, lambda piece: rng.integers(0, width - widths[piece] + 1), pixels)
    flips = draw_flips(rng, num_images)
    return SizedWindows(tops, lefts, heights, widths, flips if crops.reflect else np.zeros_like(flips))


def _window_sides(
    share: np.ndarray, position: np.ndarray, height: int, width: int, crops: Crops
) -> np.ndarray:
    """Return the heights and widths (K, 2) in pixels of windows of an image.

    :param share: (K,) of the image's area.
    :param position: (K,) of the aspect ratio in its range on a logarithmic scale, in [0, 1).
    """
    crop_height, crop_width = crops.crop_sides
    ends = crop_width / crop_height * np.array([1 / crops.crop_aspect, crops.crop_aspect])
    # A window of this share is at most as wide as the image, and at most as high.
    fitting = share * width / height, width / (share * height)
    low, high = (np.log(np.clip(end, *fitting)) for end in ends)
    aspect = np.exp(low + (high - low) * position)
    area = share * height * width
    both = np.stack([area / aspect, area * aspect], axis=1)
    return np.clip(np.round(np.sqrt(both)), 1, (height, width))


def crop_resize(
    images: Images, indices: np.ndarray, windows: SizedWindows, shape: tuple[int, int]
) -> np.ndarray:
    """Cut window b out of image indices[b] for each b, resize it as `resize_image` does, and mirror it if it flips.

    :param images: (N, H, W, C), uint8 or float: an array, a memory map, or ImageRows.
    :param windows: (B,) of them, within the images.
    :param shape: (h, w) of the crops in pixels.
    :return: (B, h, w, C), same dtype.
    """
    pixels, indices = at_hand(images, indices)
    crops = np.empty((len(indices), *shape, images.shape[-1]), images.dtype)
    scratch = np.empty_like(crops[:1])[0]
    chosen = zip(indices.tolist(), *(values.tolist() for values in windows), strict=True)
    for crop, (index, top, left, height, width, flip) in zip(crops, chosen, strict=True):
        window = pixels[index, top : top + height, left : left + width]
        resized = resize_image(np.ascontiguousarray(window), *shape)
        if flip:
            copy_mirrored(resized, crop[:, ::-1], scratch)
        else:
            crop[...] = resized
    return crops
