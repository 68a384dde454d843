"""The 1,797 handwritten digits that come with scikit-learn: a real set that needs no download.

8x8 grey images of 43 writers (E. Alpaydin and C. Kaynak, UCI repository, "Optical recognition of handwritten
digits", 1998), enlarged so that a convolutional network has something to convolve.
"""

import numpy as np

from datasets.array_splits import array_dataset, parted
from datasets.augment.crops import Crops
from datasets.splits import Splits, split_indices

CLASS_NAMES = tuple("0123456789")
_WHITEST = 16  # the set counts the dark pixels in blocks of 4x4


def load_digits_splits(
    *,
    image_size: int = 32,
    crop_size: int = 28,
    channels: int = 1,
    reflect: bool = False,
    padding: int = 0,
    redraw: bool = True,
    val_fraction: float = 0.2,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Splits:
    """Loads the digits as (N, image_size, image_size, 1) uint8, white on black.

    :param image_size: side in pixels that the 8x8 originals are enlarged to.
    :param crop_size: side in pixels of the windows.
    :param channels: 1, the digits are grey.
    :param reflect: mirror the windows; digits have a reading direction, so better not.
    :param padding: see `datasets.dataset.DataSet`, as for redraw.
    :param val_fraction: share that goes to validation of what testing leaves.
    :param test_fraction: share of all images that goes to testing.
    :param seed: of the split, the order and the windows.
    :return: Splits with one-hot labels (N, 10) uint8.
    """
    from sklearn.datasets import load_digits  # slow to import

    digits = load_digits()
    images = np.round(digits.images * (255 / _WHITEST)).astype(np.uint8)[..., np.newaxis]  # (N, 8, 8, 1)
    names = [f"digit{i:04d}" for i in range(len(images))]
    whole = array_dataset(
        (images, digits.target),
        names,
        CLASS_NAMES,
        Crops(crop_size=crop_size, reflect=reflect, padding=padding, redraw=redraw),
        image_size=image_size,
        channels=channels,
        seed=seed,
    )
    indices = split_indices(
        names,
        digits.target,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        class_names=CLASS_NAMES,
    )
    return parted(whole, indices, images)
