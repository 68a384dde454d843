"""List image files with their parts of a set and their classes."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from datasets.errors import DataError, shortened
from datasets.image_files.folder_names import PART_OF, TEST, TRAIN, WHOLE, check_unique, confused, normal_form
from datasets.image_files.labelled_files import LabelledFiles
from datasets.image_files.source import Source, parts_of
from datasets.image_files.unused_files import Place, check_left_out, suffixes_of
from datasets.storage.rows import row_numbers

PETS = ("cat", "dog")
_PET_FOLDERS = frozenset((*PETS, *PART_OF, "petimages"))

_Path = tuple[str, ...]
LabelRule = Callable[[_Path], str | None]
Parts = Mapping[str, LabelledFiles]

logger = logging.getLogger(__name__)


def class_of_folder(parts: _Path) -> str | None:
    """Return the class of a file in class folders: its first folder, or None for a file without a folder."""
    return parts[0] if len(parts) > 1 else None


def class_of_pet(parts: _Path) -> str | None:
    """Return the class of a file of Asirra, by a folder cat or dog, or a name "cat.*" or "dog.*"; else None."""
    for folder in reversed(parts[:-1]):
        if folder.lower() in PETS:
            return folder.lower()
    start, dot, _ = parts[-1].partition(".") if parts else ("", "", "")
    return start if dot and start in PETS else None


def are_pets(source: Source) -> bool:
    """Return whether all files are cats and dogs by Asirra's rule, except those in an unlabelled test folder.

    They are not if a folder has another name, since it may be a class.
    """
    paths = list(map(parts_of, source.files().names))
    depth = len(_enclosing(paths))
    paths = [path[depth:] for path in paths]
    has_labelled_test = any(class_of_pet(path) for path in paths if _part_of(path) == TEST)
    judged = [path for path in paths if has_labelled_test or _part_of(path) != TEST]
    folders = {folder.lower() for path in judged for folder in path[:-1]}
    return bool(judged) and folders <= _PET_FOLDERS and all(map(class_of_pet, judged))


@dataclass(frozen=True)
class _Layout:
    """A rule that derives part and class from a path.

    :param enclosing: the one folder that holds everything and is neither a class nor a part, or ().
    :param has_parts: whether the folders below are parts.
    :param only: the one part that is used; None: all.
    """

    enclosing: _Path
    has_parts: bool
    label_of: LabelRule
    only: str | None = None

    def place(self, name: str) -> Place:
        """Return the part and the class of a file."""
        depth = len(self.enclosing)
        path = parts_of(name)
        if path[:depth] != self.enclosing:
            return WHOLE, None
        path = path[depth:]
        if not self.has_parts:
            return WHOLE, self.label_of(path)
        part = _part_of(path)
        return (part, self.label_of(path[1:])) if part and self.only in (None, part) else (WHOLE, None)


class _Grouped(NamedTuple):
    """Images in groups that share part and class: those in one folder, or each alone if its name tells the class.

    :param groups: (N,) the group of each of the source's images.
    :param places: of the groups.
    """

    groups: np.ndarray
    places: list[Place]

    def rows(self, part: str, *, unlabelled: bool = False) -> np.ndarray:
        """Return the rows of the images in a part, or only of the images without a class."""
        chosen = [place[0] == part and (not unlabelled or place[1] is None) for place in self.places]
        return np.flatnonzero(np.array(chosen)[self.groups])


def list_labelled(source: Source, label_of: LabelRule = class_of_folder) -> Parts:
    """List the files of each part with their classes. A test folder without any label is left out.

    :return: {"whole": [(name, class), ...]}, or some of "train", "val" and "test" if there are such folders.
    :raises DataError: there are no images, images without a class, part folders beside others, a class without
        any image that is decoded, or two names that look the same.
    """
    layout, grouped = _listed(source, label_of)
    return _judged(source, layout, grouped)


def list_test(source: Source, label_of: LabelRule = class_of_folder) -> tuple[Parts, bool]:
    """List the files to test a model on: test/ if there are train/ and a labelled test/, or else all.

    :return: as `list_labelled`; whether other parts were left out.
    :raises DataError: as `list_labelled`, for the listed parts.
    """
    layout, grouped = _listed(source, label_of)
    has_test = {TRAIN, TEST} <= {part for part, label in grouped.places if label or part == TRAIN}
    return _judged(source, replace(layout, only=TEST) if has_test else layout, grouped), has_test


def _listed(source: Source, label_of: LabelRule) -> tuple[_Layout, _Grouped]:
    names = source.files().names
    if not len(names):
        undecoded = source.undecoded()
        formats = (
            f"; {suffixes_of(undecoded)} are not decoded, convert them to JPEG or PNG" if undecoded else ""
        )
        raise DataError(
            f"no images in '{source}' (found: {source.found()}{formats}); "
            "give a folder or a zip archive with images"
        )
    numbers: dict[str, int] = {}  # of the groups, in the order of their first images
    numbered = (numbers.setdefault(_group(name, label_of), len(numbers)) for name in names)
    groups = np.fromiter(numbered, np.int32, len(names))
    layout = _layout(source, [parts_of(group) for group in numbers], label_of)
    return layout, _Grouped(groups, [layout.place(group) for group in numbers])


def _group(name: str, label_of: LabelRule) -> str:
    """Return a name that all files share whose part and class are the same."""
    folder, slash, _ = name.rpartition("/")
    return f"{folder}/_" if slash and label_of is class_of_folder else name


def _judged(source: Source, layout: _Layout, grouped: _Grouped) -> Parts:
    """Return the files of each part, with classes in `normal_form`; refuse, or warn about, what is wrong."""
    used = {part: set[str | None]() for part, _ in grouped.places if layout.only in (None, part)}
    for part, label in grouped.places:
        if part in used:
            used[part].add(label)
    check_left_out(source, layout.place, {(part, label) for part in used for label in used[part]})
    if TEST in used and not any(used[TEST]):
        count = len(grouped.rows(TEST))
        logger.warning("the %d test images in '%s' have no labels and are not used", count, source)
        del used[TEST]
    for part in used:
        _check_labelled(source, grouped, part, layout.label_of)
    for labels in used.values():
        check_unique({label for label in labels if label is not None}, str(source.path))
    return _labelled(source, grouped, list(used))


def _labelled(source: Source, grouped: _Grouped, parts: Sequence[str]) -> Parts:
    """Return the files of some parts, which all have classes."""
    forms = [None if label is None else normal_form(label) for _, label in grouped.places]
    classes = sorted({form for form in forms if form is not None})
    numbers = {form: number for number, form in enumerate(classes)}
    labels = np.array([-1 if form is None else numbers[form] for form in forms], np.int32)[grouped.groups]
    every = row_numbers(slice(None), len(labels))
    listed = LabelledFiles(every, source.files().names, labels, tuple(classes))
    return {part: listed[grouped.rows(part)] for part in parts}


def class_names_of(source: Source, labelled: Parts) -> tuple[str, ...]:
    """Return the sorted classes of the training images.

    :raises DataError: there are no training images, there is a single class, or another part has other classes.
    """
    learned = labelled.get(TRAIN, labelled.get(WHOLE))
    if learned is None:
        raise DataError(f"no train folder in '{source}' (found: {', '.join(sorted(labelled))}); add one")
    names = tuple(learned.used_classes())
    if len(names) < 2:
        raise DataError(
            f"a single class in '{source}' ({shortened(names)}; {source.found()}); "
            "give at least two classes, each in a folder of its own"
        )
    for part, files in labelled.items():
        if unknown := sorted({*files.used_classes()} - {*names}):
            raise DataError(
                f"classes in {part} that train does not have ({shortened(unknown)}) in '{source}'"
                f"{confused(unknown, names)}; add them to train, rename or remove them"
            )
    return names


def _layout(source: Source, paths: Sequence[_Path], label_of: LabelRule) -> _Layout:
    """Return the layout: folders are parts if they are named like parts and have labels inside.

    :param paths: of one file of each group.
    :raises DataError: only some of the folders are parts.
    """
    enclosing = _enclosing(paths)
    paths = [path[len(enclosing) :] for path in paths]
    parts = sorted({path[0] for path in paths if _part_of(path)})
    others = sorted({path[0] for path in paths if not _part_of(path)})
    if not any(label_of(path[1:]) for path in paths if _part_of(path)):
        if parts and not others:
            raise DataError(
                f"in '{source}' {shortened(parts)} is named like a part of a set, but "
                f"holds no classes; place the images as train/CLASS/NAME.jpg"
                f"{_pet_hint(label_of, source.files().names, len(enclosing))}"
            )
        return _Layout(enclosing, False, label_of)
    if others:
        raise DataError(
            f"in '{source}' {shortened(parts)} is named like a part of a set, and "
            f"{shortened(others)} beside it is not; call the parts train, val and test and move everything "
            "else away, or rename a class that has the name of a part"
        )
    return _Layout(enclosing, True, label_of)


def _enclosing(paths: Sequence[_Path]) -> _Path:
    """Return the one folder that holds everything if it is not a part and has subfolders, or else ()."""
    tops = {path[0] for path in paths}
    is_enclosing = len(tops) == 1 and not _part_of(paths[0]) and min(map(len, paths)) > 2
    return paths[0][:1] if is_enclosing else ()


def _part_of(path: _Path) -> str | None:
    return PART_OF.get(path[0].lower()) if len(path) > 1 else None


def _check_labelled(source: Source, grouped: _Grouped, part: str, label_of: LabelRule) -> None:
    """Raise DataError if images of a part have no class."""
    rows = grouped.rows(part, unlabelled=True)
    if not len(rows):
        return
    names = source.files().names[rows]
    by_folder = "put each into the folder of its class"
    wanted = by_folder if label_of is class_of_folder else "name each by its class"
    raise DataError(
        f"{len(rows)} of {len(grouped.rows(part))} images in '{source}' have no class "
        f"({shortened(names)}); {wanted}, or remove them{_pet_hint(label_of, names)}"
    )


def _pet_hint(label_of: LabelRule, names: Iterable[str], depth: int = 0) -> str:
    """Suggest asirra if class folders are missing and all training files are named like cats and dogs.

    :param depth: number of folders that enclose all files.
    """
    paths = (parts_of(name)[depth:] for name in names)
    learned = [path for path in paths if _part_of(path) != TEST]
    are_pets = label_of is class_of_folder and learned and all(map(class_of_pet, learned))
    return "; cat.N.jpg and dog.N.jpg are read with --data.name asirra" if are_pets else ""
