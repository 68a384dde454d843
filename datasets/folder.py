"""Load images in one folder per class, from a folder or a zip archive.

    ROOT/CLASS/*.jpg                           split at random, by the seed
    ROOT/{train,val,test}/CLASS/*.jpg          split as given; a missing part is taken from train

The parts may also be called training, valid, validation, testing and test1, in any case.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from datasets.cache.store import CachedImages, load_images
from datasets.catalogue import load_options
from datasets.dataset import DataSet
from datasets.errors import shortened
from datasets.image_files.folder_names import TEST, TRAIN, VAL, WHOLE
from datasets.image_files.folder_or_zip import Source, open_source
from datasets.image_files.kept_listings import KeptListings
from datasets.image_files.labelled_files import LabelledFiles, together
from datasets.image_files.labels import LabelRule, Parts, class_names_of, class_of_folder, list_labelled
from datasets.image_files.unused_files import check_readable_classes
from datasets.options.loading import Crops, LoadOptions, SplitOptions
from datasets.splits import Splits, check_seed, make_splits, sample_rows, split_indices
from datasets.storage.rows import row_numbers

MOST_ONE_HOT = 2**28  # bytes of labels; ImageNet's would take 1.3 GB

logger = logging.getLogger(__name__)


def load_folder(
    path: Path | str, options: LoadOptions | None = None, *, seed: int = 0, **changes: Any
) -> Splits:
    """Load images from one folder per class; classes are sorted by name.

    Images that are not yet in the cache are decoded into it.

    :param path: folder or zip archive; one enclosing folder is skipped.
    :param options: None for the defaults of `LoadOptions`.
    :param seed: of the sample, the split, the order and the crops.
    :param changes: options to replace, by name.
    :return: Splits with uint8 images and one-hot labels (N, K) uint8; of very large sets see `labelled_dataset`.
    :raises DataError: there are no images, a file has no class, there is a single class, or too many files are bad.
    :raises OptionError: no images could satisfy the options.
    """
    options = load_options("folder", options, changes)
    source = open_source(path, KeptListings(options.cache_dir))
    return load_labelled(source, class_of_folder, options, seed)


def load_labelled(source: Source, label_of: LabelRule, options: LoadOptions, seed: int) -> Splits:
    """Load images as `load_folder` does, with a rule that returns a file's class from the parts of its path."""
    check_seed(seed)
    listed = list_labelled(source, label_of)
    class_names = class_names_of(source, listed)
    labelled = {
        part: files[sample_rows(len(files), options.sample_size, seed)] for part, files in listed.items()
    }
    sampled = set(labelled[TRAIN if TRAIN in labelled else WHOLE].used_classes())
    if missing := [class_name for class_name in class_names if class_name not in sampled]:
        logger.warning("the sample has no image of %s; raise --data.sample_size", shortened(missing))
    files = together(source, labelled.values())
    cached = load_images(source, files.names, options)
    check_readable_classes(source, labelled, cached.bad, listed)
    files = files[cached.rows]
    whole = labelled_dataset(cached, files, class_names, options.crops, seed)
    parts = _parts(whole, files, labelled, options, seed)
    return make_splits(whole, parts, content=cached.fingerprint, digests=cached.digests, bad_files=cached.bad)


def labelled_dataset(
    cached: CachedImages, files: LabelledFiles, class_names: tuple[str, ...], crops: Crops, seed: int = 0
) -> DataSet:
    """Return decoded images with one-hot labels (N, K) uint8 in the order of class_names.

    Where these would take more than `MOST_ONE_HOT` bytes, labels are class numbers, (N,) int32.

    :param files: the files of the images.
    """
    labels = files.class_numbers(class_names)
    if len(labels) * len(class_names) <= MOST_ONE_HOT:
        labels = np.eye(len(class_names), dtype=np.uint8)[labels]
    return DataSet(
        cached.images,
        labels,
        class_names=class_names,
        file_names=cached.names,
        crops=crops,
        seed=seed,
        channel_sums=cached.sums,
    )


def _parts(
    whole: DataSet, files: LabelledFiles, labelled: Parts, options: SplitOptions, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of train, val and test; a missing part is drawn from the training images.

    :param files: of the images, in order.
    """
    given = {
        part: row_numbers(np.isin(files.rows, listed.rows), len(files)) for part, listed in labelled.items()
    }
    pool = given[TRAIN] if TRAIN in given else given[WHOLE]
    fractions = SplitOptions(
        val_fraction=0.0 if VAL in given else options.val_fraction,
        test_fraction=0.0 if TEST in given else options.test_fraction,
    )
    names, labels = files.names[pool], whole.classes[pool]
    drawn = split_indices(names, labels, fractions, seed=seed, class_names=whole.class_names)
    train, val, test = (pool[rows] for rows in drawn)
    return train, given.get(VAL, val), given.get(TEST, test)
