"""Load data sets of the catalogue by name, and any images to test on."""

import difflib
import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from datasets.asirra import load_asirra
from datasets.augment.crops import Crops
from datasets.cache.store import DecodeOptions, load_images
from datasets.cifar10 import holds_cifar10, load_cifar10
from datasets.dataset import DataSet
from datasets.digits import load_digits_splits
from datasets.download.fetch import DOWNLOADS
from datasets.errors import ClassMismatchError, OptionError, escape_name, shortened
from datasets.folder import labelled_dataset, load_folder
from datasets.image_files.class_names import confused, normal_form
from datasets.image_files.folder_or_zip import Source, open_source
from datasets.image_files.labels import PETS, are_pets, class_of_folder, class_of_pet, list_test
from datasets.image_files.unused_files import warn_of_unreadable_classes
from datasets.mnist import holds_mnist, load_mnist
from datasets.splits import Splits

LOADERS: dict[str, Callable[..., Splits]] = {
    "asirra": load_asirra,
    "cifar10": load_cifar10,
    "digits": load_digits_splits,
    "folder": load_folder,
    "mnist": load_mnist,
}
# Sets with a form of their own that is no folder of images: whether a path holds it.
OWN_FORMS: dict[str, Callable[[Path | str], bool]] = {"cifar10": holds_cifar10, "mnist": holds_mnist}

logger = logging.getLogger(__name__)


def load_splits(name: str, path: Path | str | None = None, **options: Any) -> Splits:
    """Load a data set of the catalogue.

    :param name: a key of LOADERS.
    :param path: of the images, for the sets that are not part of a library; None with the option download too.
    :param options: keyword arguments of that loader.
    :raises OptionError: no such set, an option that it does not take, a path too many or missing.
    :raises DataError: what the loader finds wrong with the data.
    """
    if name not in LOADERS:
        raise OptionError(f"no data set '{name}'; {_suggestion(name, LOADERS)}")
    loader = LOADERS[name]
    parameters = inspect.signature(loader).parameters
    for option in options:
        if option not in parameters or option == "path":
            hint = _suggestion(option, set(parameters) - {"path"})
            raise OptionError(f"data set '{name}' has no option '{option}'; {hint}")
    if "path" not in parameters:
        if path is not None:
            raise OptionError(f"data set '{name}' comes with a library, it has no path; leave '{path}' out")
        return loader(**options)
    if path is None and not options.get("download"):
        raise OptionError(
            f"data set '{name}' needs the path of its images; give a folder or a zip archive with --data-dir"
            f"{_download_hint(name)}"
        )
    return loader(path, **options)


class LabelledSet(NamedTuple):
    """A test set of anybody's images.

    :ivar bad_files: (name, reason) of each file that was left out because it cannot be decoded.
    :ivar is_test_part: whether there were training images too, which were left out.
    :ivar digests: `datasets.images.duplicates.pixel_digests` of the images.
    """

    dataset: DataSet
    bad_files: list[tuple[str, str]]
    is_test_part: bool
    digests: np.ndarray


def labelled_set(
    path: Path | str,
    class_names: tuple[str, ...],
    *,
    name: str = "folder",
    image_size: int,
    crop_size: int,
    channels: int = 3,
    reflect: bool = True,
    cache_dir: Path | str | None = None,
    max_bad_fraction: float = 0.05,
    strict: bool = False,
) -> LabelledSet:
    """Load any labelled folder or archive as one set, with the labels of a model that exists.

    Where there are train/ and test/, only test/ is taken; else everything is. The classes of a folder are
    matched by name, in any Unicode form; a class that the model knows and the folder lacks is reported in a
    warning. Where the model knows cats and dogs alone, these may also be told by the names of the files.

    :param class_names: the model's classes in order; the labels are one-hot in that order, (N, K) uint8.
    :param name: the data set that the model was trained on. Where path holds its own form (the batches of
        cifar10, the files of mnist), the official test images are taken.
    :raises ClassMismatchError: the folder has a class that the model does not know.
    :raises DataError: as `datasets.folder.load_folder`, but that a single class is enough.
    """
    crops = Crops(crop_size=crop_size, reflect=reflect)
    crops.check(image_size, image_size, channels)
    if name in OWN_FORMS and OWN_FORMS[name](path):
        return _official_test(
            name, path, class_names, image_size=image_size, channels=channels, **asdict(crops)
        )
    decode = DecodeOptions(
        size=image_size,
        channels=channels,
        cache_dir=cache_dir,
        max_bad_fraction=max_bad_fraction,
        strict=strict,
    )
    source = open_source(path)
    by_pet = sorted(class_names) == sorted(PETS) and are_pets(source)
    labelled, is_test_part = list_test(source, class_of_pet if by_pet else class_of_folder)
    classes = {name: label for files in labelled.values() for name, label in files}
    _check_classes(source, set(classes.values()), tuple(map(normal_form, class_names)))
    cached = load_images(source, sorted(classes), decode)
    warn_of_unreadable_classes(source, labelled, cached.bad)
    dataset = labelled_dataset(cached, classes, tuple(class_names), crops)
    return LabelledSet(dataset, cached.bad, is_test_part, cached.digests)


def _official_test(name: str, path: Path | str, class_names: Sequence[str], **options: Any) -> LabelledSet:
    """Return the test images of a data set in its own form."""
    splits = load_splits(name, path, val_fraction=0.0, **options)
    if splits.class_names != tuple(class_names):
        raise _mismatch(path, splits.class_names, class_names)
    # an official set always has a test part
    return LabelledSet(cast(DataSet, splits.test), [], True, splits.digests["test"])


def _check_classes(source: Source, found: set[str], class_names: Sequence[str]) -> None:
    if found - set(class_names):
        raise _mismatch(source.path, sorted(found), class_names)
    missing = sorted(set(class_names) - found)
    if missing:
        logger.warning("'%s' has no images of %s", escape_name(str(source.path)), shortened(missing))


def _mismatch(path: Path | str, found: Iterable[str], class_names: Sequence[str]) -> ClassMismatchError:
    hint = confused(set(found) - set(class_names), class_names)
    return ClassMismatchError(
        f"the classes in '{escape_name(str(path))}' ({shortened(found)}) are not those of "
        f"the model ({shortened(class_names)}){hint}; rename or remove the folders of other classes"
    )


def _download_hint(name: str) -> str:
    return f", or fetch them with train.py --data.name {name} --download" if name in DOWNLOADS else ""


def _suggestion(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(sorted(known))}"
