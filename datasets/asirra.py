"""Load cats and dogs: the Asirra images, as Kaggle and as Microsoft hand them out.

J. Elson, J. Douceur, J. Howell and J. Saul, "Asirra: a CAPTCHA that exploits interest-aligned manual image
categorization" (2007). Known forms, each as a folder or as a zip archive:

    cat.0.jpg, dog.0.jpg, ...                      a flat folder
    train/cat.0.jpg, ...; test/ or test1/          Kaggle; a test folder without labels is left out
    PetImages/Cat/0.jpg, PetImages/Dog/0.jpg, ...  Microsoft
"""

from pathlib import Path

import numpy as np

from datasets.augment.crops import Crops
from datasets.augment.windows import center_crop, corner_center_crop_reflect, random_crop_reflect
from datasets.cache.store import DecodeOptions, load_images
from datasets.dataset import ALEXNET_CROP_SIZE, DataSet
from datasets.download.fetch import located
from datasets.folder import load_labelled
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.labels import PETS as CLASS_NAMES
from datasets.image_files.labels import class_of_pet, list_labelled, sample_files
from datasets.image_files.parts import WHOLE
from datasets.image_files.unused_files import check_readable_classes
from datasets.images.array_rows import ImageRows
from datasets.splits import Splits

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
    image_size: int = 256,
    cache_dir: Path | str | None = None,
    max_bad_fraction: float = 0.05,
    strict: bool = False,
) -> tuple[ImageRows, np.ndarray]:
    """Read one folder (or archive) of cats and dogs, in an order that the seed decides.

    :param subset_dir: one of the forms above; of train/ and test/, everything that has a label.
    :param one_hot: whether labels are one-hot.
    :param sample_size: number of images to draw; None: all.
    :param seed: of the order, and of what is drawn.
    :param image_size: side in pixels of the squares that images are resized to.
    :param cache_dir: where decoded images are kept; None: see `datasets.cache.location.cache_folders`.
    :param max_bad_fraction: the largest share of files that may be unreadable and are left out with a warning.
    :param strict: refuse any unreadable file.
    :return: images (N, image_size, image_size, 3) uint8, rows of a memory map; labels (N, 2) or (N,) uint8,
        0 for cat and 1 for dog.
    :raises DataError: nothing there, a file that is neither, too many bad files.
    """
    decode = DecodeOptions(
        size=image_size, cache_dir=cache_dir, max_bad_fraction=max_bad_fraction, strict=strict
    )
    source = open_source(subset_dir)
    files = [file for part in list_labelled(source, class_of_pet).values() for file in part]
    chosen = sample_files(sorted(files), sample_size, seed)
    classes = dict(chosen)
    cached = load_images(source, sorted(classes), decode)
    check_readable_classes(source, {WHOLE: chosen}, cached.bad, {WHOLE: files})
    order = np.random.default_rng(seed).permutation(len(cached.names))
    labels = np.array([CLASS_NAMES.index(classes[name]) for name in cached.names], dtype=np.uint8)[order]
    return ImageRows(cached.images, order), np.eye(2, dtype=np.uint8)[labels] if one_hot else labels


def load_asirra(
    path: Path | str | None = None,
    *,
    image_size: int = 256,
    crop_size: int = ALEXNET_CROP_SIZE,
    channels: int = 3,
    reflect: bool = True,
    padding: int = 0,
    pca_color: float = 0.0,
    redraw: bool = True,
    val_fraction: float = 0.2,
    test_fraction: float = 0.2,
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: Path | str | None = None,
    max_bad_fraction: float = 0.05,
    strict: bool = False,
    download: bool = False,
) -> Splits:
    """Load cats (class 0) and dogs (class 1); everything else as `datasets.folder.load_folder`.

    :param download: see `datasets.download.fetch`; Microsoft's archive is put into path, which may then be None.
    :raises DataError: also for a file that is neither a cat nor a dog.
    """
    return load_labelled(
        open_source(located("asirra", path, download)),
        class_of_pet,
        DecodeOptions(
            size=image_size,
            channels=channels,
            cache_dir=cache_dir,
            max_bad_fraction=max_bad_fraction,
            strict=strict,
        ),
        Crops(crop_size=crop_size, reflect=reflect, padding=padding, pca_color=pca_color, redraw=redraw),
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        sample_size=sample_size,
        seed=seed,
    )
