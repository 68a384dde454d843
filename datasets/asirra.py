"""Load the Asirra images of cats and dogs, as Kaggle and Microsoft distribute them.

J. Elson, J. Douceur, J. Howell and J. Saul, "Asirra: a CAPTCHA that exploits interest-aligned manual image
categorization" (2007). Each form may be a folder or a zip archive:

    cat.0.jpg, dog.0.jpg, ...                      a flat folder
    train/cat.0.jpg, ...; test/ or test1/          Kaggle; a test folder without labels is left out
    PetImages/Cat/0.jpg, PetImages/Dog/0.jpg, ...  Microsoft
"""

from pathlib import Path
from typing import Any

import numpy as np

from datasets.augment.windows import center_crop, corner_center_crop_reflect, random_crop_reflect
from datasets.cache.store import load_images
from datasets.catalogue import load_options
from datasets.dataset import DataSet
from datasets.download.fetch import located
from datasets.folder import load_labelled
from datasets.image_files.folder_names import WHOLE
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.kept_listings import KeptListings
from datasets.image_files.labelled_files import together
from datasets.image_files.labels import PETS as CLASS_NAMES
from datasets.image_files.labels import class_of_pet, list_labelled
from datasets.image_files.unused_files import check_readable_classes
from datasets.images.array_rows import ImageRows
from datasets.options.fields import changed
from datasets.options.loading import DecodeOptions, LoadOptions, SplitOptions
from datasets.splits import Splits, sample_rows

__all__ = [
    "CLASS_NAMES",
    "DataSet",
    "center_crop",
    "class_of_pet",
    "corner_center_crop_reflect",
    "load_asirra",
    "random_crop_reflect",
    "read_asirra_subset",
]


def read_asirra_subset(
    subset_dir: Path | str,
    one_hot: bool = True,
    sample_size: int | None = None,
    *,
    seed: int = 0,
    **changes: Any,
) -> tuple[ImageRows, np.ndarray]:
    """Read all labelled cats and dogs of a folder or an archive, in a random order.

    :param subset_dir: one of the forms above; train/ and test/ are read together.
    :param one_hot: whether labels are one-hot.
    :param sample_size: number of images to draw; None: all.
    :param seed: of the sample and the order.
    :param changes: options of `datasets.options.loading.DecodeOptions`, by name.
    :return: images (N, image_size, image_size, C) uint8, rows of a memory map; labels (N, 2) or (N,) uint8,
        0 for cat and 1 for dog.
    :raises DataError: there are no images, a file is neither a cat nor a dog, or too many files are bad.
    """
    sample_size = SplitOptions(sample_size=sample_size).sample_size
    options = changed(DecodeOptions(), changes)
    source = open_source(subset_dir, KeptListings(options.cache_dir))
    files = together(source, list_labelled(source, class_of_pet).values())
    chosen = files[sample_rows(len(files), sample_size, seed)]
    cached = load_images(source, chosen.names, options)
    check_readable_classes(source, {WHOLE: chosen}, cached.bad, {WHOLE: files})
    order = np.random.default_rng(seed).permutation(len(cached.names))
    labels = chosen[cached.rows].class_numbers(CLASS_NAMES)[order].astype(np.uint8)
    return ImageRows(cached.images, order), np.eye(2, dtype=np.uint8)[labels] if one_hot else labels


def load_asirra(
    path: Path | str | None = None,
    options: LoadOptions | None = None,
    *,
    seed: int = 0,
    download: bool = False,
    **changes: Any,
) -> Splits:
    """Load cats (class 0) and dogs (class 1), with the other parameters of `datasets.folder.load_folder`.

    :param download: fetch Microsoft's archive into path, which may then be None: see `datasets.download.fetch`.
    :raises DataError: as `load_folder`, or if a file is neither a cat nor a dog.
    """
    options = load_options("asirra", options, changes)
    source = open_source(located("asirra", path, download), KeptListings(options.cache_dir))
    return load_labelled(source, class_of_pet, options, seed)
