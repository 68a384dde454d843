"""Load images that lie in one folder per class, with or without a split of their own.

A folder or a zip archive, in one of two forms:

    ROOT/CLASS/*.jpg                           parted at random, by the seed
    ROOT/{train,val,test}/CLASS/*.jpg          parted as given; what is missing is taken from train

training, valid, validation, testing and test1 are other names of the parts, in capitals or not.
"""

import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np

from datasets.augment.crops import Crops
from datasets.cache.store import CachedImages, DecodeOptions, load_images
from datasets.dataset import ALEXNET_CROP_SIZE, DataSet
from datasets.errors import shortened
from datasets.image_files.class_names import normal_form
from datasets.image_files.folder_or_zip import Source, open_source
from datasets.image_files.labels import (
    Labelled,
    LabelRule,
    class_names_of,
    class_of_folder,
    list_labelled,
    sample_files,
)
from datasets.image_files.parts import TEST, TRAIN, VAL, WHOLE
from datasets.image_files.unused_files import check_readable_classes
from datasets.splits import Splits, check_split, make_splits, split_indices

logger = logging.getLogger(__name__)


def load_folder(
    path: Path | str,
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
) -> Splits:
    """Load images that lie in one folder per class; classes are sorted by name.

    Decode into the cache what is not there yet.

    :param path: folder or zip archive; one enclosing folder is seen through.
    :param image_size: side in pixels of the squares that images are resized to.
    :param crop_size: side in pixels of the windows that batches hold.
    :param channels: 3 for RGB, 1 for grey.
    :param reflect: whether windows may be mirrored.
    :param padding: see `datasets.dataset.DataSet`, as for pca_color and redraw.
    :param val_fraction: share for validation of what testing leaves, if there is no val/.
    :param test_fraction: share of the images, but for those of val/, for testing, if there is no test/.
    :param sample_size: use at most so many images of each given part, drawn by seed; None: all.
    :param seed: of the sample, the split, the order and the windows.
    :param cache_dir: see `datasets.cache.store.DecodeOptions`, as for max_bad_fraction and strict.
    :return: Splits with uint8 images and one-hot labels (N, K) uint8.
    :raises DataError: nothing there, no images, a file without a class, a single class, too many bad files.
    :raises OptionError: options that no images could satisfy.
    """
    return load_labelled(
        open_source(path),
        class_of_folder,
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


def load_labelled(
    source: Source,
    label_of: LabelRule,
    decode: DecodeOptions,
    crops: Crops,
    *,
    val_fraction: float,
    test_fraction: float,
    sample_size: int | None,
    seed: int,
) -> Splits:
    """Do as `load_folder`, for any rule that tells a file's class by the parts of its path."""
    crops.check(decode.size, decode.size, decode.channels)
    check_split(val_fraction, test_fraction, seed)
    labelled = list_labelled(source, label_of)
    class_names = class_names_of(source, labelled)
    listed = labelled
    labelled = {part: sample_files(files, sample_size, seed) for part, files in listed.items()}
    _warn_of_unsampled(labelled, class_names)
    classes = {name: class_name for files in labelled.values() for name, class_name in files}
    cached = load_images(source, sorted(classes), decode)
    check_readable_classes(source, labelled, cached.bad, listed)
    whole = labelled_dataset(cached, classes, class_names, crops, seed)
    parts = _parts(whole, labelled, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    return make_splits(whole, parts, content=cached.fingerprint, digests=cached.digests, bad_files=cached.bad)


def labelled_dataset(
    cached: CachedImages,
    classes: dict[str, str],
    class_names: tuple[str, ...],
    crops: Crops,
    seed: int = 0,
) -> DataSet:
    """Return decoded images with one-hot labels (N, K) uint8 in the order of class_names.

    :param classes: the class of each file name, in `normal_form`.
    """
    numbers = {normal_form(class_name): number for number, class_name in enumerate(class_names)}
    return DataSet(
        cached.images,
        np.eye(len(class_names), dtype=np.uint8)[[numbers[classes[name]] for name in cached.names]],
        class_names=class_names,
        file_names=cached.names,
        seed=seed,
        channel_sums=cached.sums,
        **asdict(crops),
    )


def _warn_of_unsampled(labelled: Labelled, class_names: tuple[str, ...]) -> None:
    sampled = {class_name for _, class_name in labelled.get(TRAIN, labelled.get(WHOLE, []))}
    missing = [class_name for class_name in class_names if class_name not in sampled]
    if missing:
        logger.warning("the sample has no image of %s; raise --data.sample_size", shortened(missing))


def _parts(
    whole: DataSet, labelled: Labelled, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of train, val and test; what is not given comes out of the training images."""
    names = whole.file_names or ()
    row_of = {name: row for row, name in enumerate(names)}
    given = {
        part: np.array([row_of[name] for name, _ in files if name in row_of], dtype=np.intp)
        for part, files in labelled.items()
    }
    pool = given[TRAIN] if TRAIN in given else given[WHOLE]
    drawn = split_indices(
        [names[row] for row in pool],
        whole.labels[pool].argmax(axis=1),
        val_fraction=0.0 if VAL in given else val_fraction,
        test_fraction=0.0 if TEST in given else test_fraction,
        seed=seed,
        class_names=whole.class_names,
    )
    train, val, test = (pool[rows] for rows in drawn)
    return train, given.get(VAL, val), given.get(TEST, test)
