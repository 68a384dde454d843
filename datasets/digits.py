"""Load the 1,797 handwritten digits that come with scikit-learn, a real set that needs no download.

8x8 grey images by 43 writers (E. Alpaydin and C. Kaynak, UCI repository, "Optical recognition of handwritten
digits", 1998), enlarged to be large enough for convolutions.
"""

from typing import Any

import numpy as np

from datasets.arrays import array_dataset, split_arrays
from datasets.catalogue import load_options
from datasets.options.loading import LoadOptions
from datasets.splits import Splits, split_indices

CLASS_NAMES = tuple("0123456789")
_WHITEST = 16  # each value counts the dark pixels of a 4x4 block


def load_digits_splits(options: LoadOptions | None = None, *, seed: int = 0, **changes: Any) -> Splits:
    """Load the digits as (N, image_size, image_size, 1) uint8, white on black.

    The parameters are as in `datasets.load.load_splits`.

    :return: Splits with one-hot labels (N, 10) uint8.
    """
    from sklearn.datasets import load_digits  # slow to import

    options = load_options("digits", options, changes)
    digits = load_digits()
    images = np.round(digits.images * (255 / _WHITEST)).astype(np.uint8)[..., np.newaxis]  # (N, 8, 8, 1)
    names = [f"digit{i:04d}" for i in range(len(images))]
    whole = array_dataset((images, digits.target), names, CLASS_NAMES, options, seed)
    indices = split_indices(names, digits.target, options, seed=seed, class_names=CLASS_NAMES)
    return split_arrays(whole, indices, images)
