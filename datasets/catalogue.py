"""List the data sets by name. Imports neither NumPy nor a loader, so that `train.py --help` is fast."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datasets.download.known_files import ASIRRA, CIFAR10_BINARY, CIFAR10_PYTHON, MNIST, OfficialFile
from datasets.errors import OptionError, suggestion
from datasets.options.fields import changed
from datasets.options.loading import LoadOptions


@dataclass(frozen=True, kw_only=True)
class DataSetEntry:
    """Describe a data set without loading it.

    :param loader: dotted path of the function that loads it.
    :param recipe: name of the default recipe in configs/: a good score in minutes, or up to an hour for asirra.
    :param scratch_recipe: of a network that starts from random weights, if `recipe` has one that does not.
    :param defaults: the set's own defaults of `LoadOptions`, by name.
    :param unused: names of the options that the loader does not use.
    :param has_path: False if the images come with a library.
    :param own_form: dotted path of a function that returns whether a path holds the set in its own format rather
        than as image files.
    :param downloads: the official files that --download fetches.
    :param verified: the official archives that are verified wherever they come from.
    """

    loader: str
    recipe: str
    scratch_recipe: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    has_path: bool = True
    own_form: str | None = None
    downloads: tuple[OfficialFile, ...] = ()
    verified: tuple[OfficialFile, ...] = ()


OF_FILES = ("cache_dir", "max_bad_fraction", "strict")  # options that only image files use
DATASETS: dict[str, DataSetEntry] = {
    "asirra": DataSetEntry(
        loader="datasets.asirra.load_asirra", recipe="resnet-asirra", downloads=(ASIRRA,), verified=(ASIRRA,)
    ),
    "cifar10": DataSetEntry(
        loader="datasets.cifar10.load_cifar10",
        recipe="resnet20-cifar10-fast",
        # padding and val_fraction as in He et al. 2016
        defaults={"image_size": 32, "crop_size": 32, "padding": 4, "val_fraction": 0.1},
        unused=("test_fraction", *OF_FILES),
        own_form="datasets.cifar10.holds_cifar10",
        downloads=(CIFAR10_BINARY,),  # plain bytes, not pickles
        verified=(CIFAR10_PYTHON, CIFAR10_BINARY),
    ),
    "digits": DataSetEntry(
        loader="datasets.digits.load_digits_splits",
        recipe="digits",
        # digits have a reading direction, so they are not mirrored
        defaults={"image_size": 32, "crop_size": 28, "channels": 1, "reflect": False},
        unused=("sample_size", *OF_FILES),
        has_path=False,
    ),
    "folder": DataSetEntry(
        loader="datasets.folder.load_folder", recipe="folder", scratch_recipe="folder-scratch"
    ),
    "mnist": DataSetEntry(
        loader="datasets.mnist.load_mnist",
        recipe="mini-resnet-mnist",
        defaults={"image_size": 28, "crop_size": 28, "channels": 1, "reflect": False, "val_fraction": 0.1},
        unused=("test_fraction", *OF_FILES),
        own_form="datasets.mnist.holds_mnist",
        downloads=MNIST,
        # Nothing is verified by name, since other sets, such as Fashion-MNIST, use the same file names.
    ),
}


def default_recipe(name: str | None, path: str | None, *, from_scratch: bool) -> str:
    """Return the name of a data set's recipe; without a set, a folder's if there is a path, or else the digits'.

    :param from_scratch: the network is not the recipe's, and has no weights to start from.
    """
    default = DATASETS["digits" if path is None else "folder"]
    entry = default if name is None else DATASETS.get(name, default)
    return entry.scratch_recipe if from_scratch and entry.scratch_recipe else entry.recipe


def check_name(name: str, download: bool) -> None:
    """Raise OptionError for a data set that does not exist, or has no download although one is asked for."""
    if name not in DATASETS:
        raise OptionError(f"unknown data.name {name!r}; {suggestion(name, DATASETS)}")
    downloads = [name for name, entry in DATASETS.items() if entry.downloads]
    if download and name not in downloads:
        raise OptionError(
            f"the data set {name!r} cannot be downloaded, only {', '.join(downloads)}; leave --download out, or "
            "choose one of these with --data.name"
        )


def load_options(name: str, options: LoadOptions | None, changes: Mapping[str, Any]) -> LoadOptions:
    """Return the options with which to load a data set.

    :param name: a key of DATASETS.
    :param options: None for the set's own defaults.
    :param changes: options to replace, by name.
    :raises OptionError: a name is unknown, a value is impossible, or the set does not use an option.
    """
    entry = DATASETS[name]
    options = changed(LoadOptions(**entry.defaults) if options is None else options, changes)
    for option in entry.unused:
        value = getattr(options, option)
        if value != getattr(LoadOptions, option):
            raise OptionError(
                f"{options.full_name(option)} is {value!r}, but the data set {name!r} has no such option; "
                "leave it out"
            )
    return options
