"""Which image files are to be learned from, in which part of a set, and what class each of them has."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from datasets.errors import DataError, escape_name, shortened
from datasets.sources import Source

WHOLE, TRAIN, VAL, TEST = "whole", "train", "val", "test"
_PART_OF = {"train": TRAIN, "val": VAL, "test": TEST, "test1": TEST}  # Kaggle's archives say test1

LabelRule = Callable[[tuple[str, ...]], str | None]
Labelled = dict[str, list[tuple[str, str]]]
_Listed = tuple[str, str | None]  # name, class

logger = logging.getLogger(__name__)


def class_of_folder(parts: tuple[str, ...]) -> str | None:
    """The label rule of class folders: the first folder's name; None for a file in no folder."""
    return parts[0] if len(parts) > 1 else None


def list_labelled(source: Source, label_of: LabelRule = class_of_folder) -> Labelled:
    """Lists the files of each part with their classes.

    :return: {"whole": [(name, class), ...]}, or some of "train", "val" and "test" if there are such folders.
    :raises DataError: no images, or images without a class; a test folder without any label is left out.
    """
    names = [file.name for file in source.files()]
    if not names:
        raise DataError(
            f"no images in '{escape_name(str(source.path))}' (found: {source.found()}); "
            "give a folder or a zip archive with images"
        )
    depth = _enclosing_depth(names)
    paths = {name: PurePosixPath(name).parts[depth:] for name in names}
    parts = {part for path in paths.values() for part in path[:1]}
    has_parts = parts <= set(_PART_OF) and any(label_of(path[1:]) for path in paths.values())
    listing: dict[str, list[_Listed]] = {}
    for name, path in paths.items():
        part, rest = (_PART_OF[path[0]], path[1:]) if has_parts else (WHOLE, path)
        listing.setdefault(part, []).append((name, label_of(rest)))
    _drop_unlabelled_test(source, listing)
    return {part: _all_labelled(source, files) for part, files in listing.items()}


def class_names_of(source: Source, labelled: Labelled) -> tuple[str, ...]:
    """The classes to learn, sorted; every other part may have only these.

    :raises DataError: no part to learn from, a single class, a class that is in another part alone.
    """
    learned = labelled.get(TRAIN, labelled.get(WHOLE))
    if learned is None:
        raise DataError(
            f"no train folder in '{escape_name(str(source.path))}' "
            f"(found: {', '.join(sorted(labelled))}); add one"
        )
    names = tuple(sorted({label for _, label in learned}))
    if len(names) < 2:
        raise DataError(
            f"a single class in '{escape_name(str(source.path))}' ({shortened(names)}; {source.found()}); "
            "give at least two classes, each in a folder of its own"
        )
    for part, files in labelled.items():
        unknown = sorted({label for _, label in files} - set(names))
        if unknown:
            raise DataError(
                f"classes in {part} that train does not have ({shortened(unknown)}) in "
                f"'{escape_name(str(source.path))}'; add them to train or remove them"
            )
    return names


def sample_files(files: list[tuple[str, str]], sample_size: int | None, seed: int) -> list[tuple[str, str]]:
    """At most sample_size of the files, in their old order; which, is the seed's choice."""
    if sample_size is None or sample_size >= len(files):
        return files
    chosen = np.random.default_rng(seed).choice(len(files), size=sample_size, replace=False)
    return [files[i] for i in sorted(chosen)]


def _enclosing_depth(names: Iterable[str]) -> int:
    """1 if everything lies in folders of one enclosing folder, which is then no class and no part; else 0."""
    paths = [PurePosixPath(name).parts for name in names]
    tops = {path[0] for path in paths}
    is_enclosing = len(tops) == 1 and not tops & set(_PART_OF) and min(map(len, paths)) > 2
    return 1 if is_enclosing else 0


def _drop_unlabelled_test(source: Source, listing: dict[str, list[_Listed]]) -> None:
    if TEST in listing and not any(label for _, label in listing[TEST]):
        count = len(listing.pop(TEST))
        logger.warning(
            "the %d test images in '%s' have no labels and are not used", count, escape_name(str(source.path))
        )


def _all_labelled(source: Source, files: Sequence[_Listed]) -> list[tuple[str, str]]:
    unlabelled = [name for name, label in files if label is None]
    if unlabelled:
        raise DataError(
            f"{len(unlabelled)} of {len(files)} images in '{escape_name(str(source.path))}' have no class "
            f"({shortened(unlabelled)}); name or place them as the data set expects, or remove them"
        )
    return [(name, label) for name, label in files if label is not None]
