"""Load a data set of the catalogue by its name, or any labelled images as a test set for a trained model."""

import dataclasses
import logging
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from datasets.cache.store import load_images
from datasets.catalogue import DATASETS
from datasets.dataset import DataSet
from datasets.errors import ClassMismatchError, OptionError, escape_name, shortened, suggestion
from datasets.folder import labelled_dataset
from datasets.image_files.folder_names import confused, normal_form
from datasets.image_files.folder_or_zip import Source, open_source
from datasets.image_files.kept_listings import KeptListings
from datasets.image_files.labelled_files import together
from datasets.image_files.labels import PETS, are_pets, class_of_folder, class_of_pet, list_test
from datasets.image_files.unused_files import warn_of_unreadable_classes
from datasets.images.array_rows import Images
from datasets.options.fields import changed
from datasets.options.loading import LoadOptions
from datasets.splits import Splits
from datasets.storage.paths import expanded

logger = logging.getLogger(__name__)


def load_splits(
    name: str,
    path: Path | str | None = None,
    options: LoadOptions | None = None,
    *,
    seed: int = 0,
    download: bool = False,
    **changes: Any,
) -> Splits:
    """Load a data set of the catalogue.

    :param name: a key of `datasets.catalogue.DATASETS`.
    :param path: of the images; None for a set that comes with a library, and optional with download.
    :param options: None for the set's own defaults.
    :param seed: of the sample, the split, the order and the crops.
    :param download: fetch the set's official files into path first: see `datasets.download.fetch`.
    :param changes: options to replace, by name.
    :raises OptionError: the set or an option is unknown, or a path is missing or not used.
    :raises DataError: the loader cannot use the data.
    """
    check_place(name, path, download=download)
    loader: Callable[..., Splits] = pkgutil.resolve_name(DATASETS[name].loader)
    if not DATASETS[name].has_path:
        return loader(options, seed=seed, **changes)
    fetched = {"download": True} if download else {}
    return loader(path, options, seed=seed, **fetched, **changes)


def check_place(name: str, path: Path | str | None, *, download: bool = False) -> None:
    """Raise OptionError if a data set is unknown, needs a path, or does not use one."""
    if name not in DATASETS:
        raise OptionError(f"no data set '{name}'; {suggestion(name, DATASETS)}")
    entry = DATASETS[name]
    if download and not entry.downloads:
        raise OptionError(f"the data set '{name}' cannot be downloaded; leave download out")
    if not entry.has_path and path is not None:
        raise OptionError(f"data set '{name}' comes with a library, it has no path; leave '{path}' out")
    if entry.has_path and path is None and not download:
        hint = f", or fetch them with train.py --data.name {name} --download" if entry.downloads else ""
        raise OptionError(
            f"data set '{name}' needs the path of its images; give a folder or a zip archive with --data-dir{hint}"
        )


def check_exists(path: Path | str) -> None:
    """Raise DataError if there is nothing at a path of images."""
    if not expanded(path).exists():
        open_source(path)  # raises


def holds_own_form(name: str, path: Path | str) -> bool:
    """Return whether a path holds a data set in its own format, such as CIFAR-10's batches or MNIST's files."""
    own_form = DATASETS[name].own_form if name in DATASETS else None
    return own_form is not None and pkgutil.resolve_name(own_form)(path)


class LabelledSet(NamedTuple):
    """Labelled images as a test set.

    :ivar bad_files: (name, reason) of each file that cannot be decoded and was left out.
    :ivar is_test_part: whether there were also training images, which were left out.
    :ivar digests: `datasets.images.duplicates.pixel_digests` of the images.
    """

    dataset: DataSet
    bad_files: list[tuple[str, str]]
    is_test_part: bool
    digests: Images


def labelled_set(
    path: Path | str,
    class_names: tuple[str, ...],
    options: LoadOptions | None = None,
    *,
    name: str = "folder",
    **changes: Any,
) -> LabelledSet:
    """Load any labelled folder or archive as one set, with the classes of an existing model.

    If there are train/ and test/, only test/ is used. The classes are matched by name, in any Unicode form; a
    warning lists the model's classes that have no images. If the model knows only cats and dogs, the names of
    the files may also give the class.

    :param class_names: the model's classes in order; the labels are one-hot in that order, (N, K) uint8.
    :param options: how to decode and crop; the options of the split are not used.
    :param name: the data set that the model was trained on. If path holds that set's own format (the batches of
        cifar10, the files of mnist), the official test images are used.
    :param changes: options to replace, by name.
    :raises ClassMismatchError: the folder has a class that the model does not know.
    :raises DataError: as `datasets.folder.load_folder`, except that a single class is enough.
    """
    options = changed(options or LoadOptions(), changes)
    if holds_own_form(name, path):
        return _official_test(name, path, class_names, options)
    source = open_source(path, KeptListings(options.cache_dir))
    by_pet = sorted(class_names) == sorted(PETS) and are_pets(source)
    labelled, is_test_part = list_test(source, class_of_pet if by_pet else class_of_folder)
    files = together(source, labelled.values())
    _check_classes(source, set(files.used_classes()), tuple(map(normal_form, class_names)))
    cached = load_images(source, files.names, options)
    warn_of_unreadable_classes(source, labelled, cached.bad)
    dataset = labelled_dataset(cached, files[cached.rows], tuple(class_names), options.crops)
    return LabelledSet(dataset, cached.bad, is_test_part, cached.digests)


def _official_test(
    name: str, path: Path | str, class_names: Sequence[str], options: LoadOptions
) -> LabelledSet:
    """Return the test images of a data set in its own format."""
    kept = dataclasses.asdict(options.crops) | {
        "image_size": options.image_size,
        "resize": options.resize,
        "channels": options.channels,
    }
    splits = load_splits(name, path, val_fraction=0.0, **kept)
    if splits.class_names != tuple(class_names):
        raise _mismatch(path, splits.class_names, class_names)
    # an official set always has a test part
    return LabelledSet(cast(DataSet, splits.test), [], True, splits.digests["test"])


def _check_classes(source: Source, found: set[str], class_names: Sequence[str]) -> None:
    if found - set(class_names):
        raise _mismatch(source.path, sorted(found), class_names)
    missing = sorted(set(class_names) - found)
    if missing:
        logger.warning("'%s' has no images of %s", source, shortened(missing))


def _mismatch(path: Path | str, found: Iterable[str], class_names: Sequence[str]) -> ClassMismatchError:
    hint = confused(set(found) - set(class_names), class_names)
    return ClassMismatchError(
        f"the classes in '{escape_name(path)}' ({shortened(found)}) are not those of "
        f"the model ({shortened(class_names)}){hint}; rename or remove the folders of other classes"
    )
