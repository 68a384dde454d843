"""List image files with their parts of a set and their classes."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from datasets.errors import DataError, shortened
from datasets.image_files.folder_names import PART_OF, TEST, TRAIN, WHOLE, check_unique, confused, normal_form
from datasets.image_files.source import Source, parts_of
from datasets.image_files.unused_files import Labelled, Place, check_left_out, suffixes_of

PETS = ("cat", "dog")
_PET_FOLDERS = frozenset((*PETS, *PART_OF, "petimages"))

_Path = tuple[str, ...]
LabelRule = Callable[[_Path], str | None]
_Listing = dict[str, list[tuple[str, str | None]]]  # (name, class) of each part

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
    paths = [parts_of(file.name) for file in source.files()]
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


def list_labelled(source: Source, label_of: LabelRule = class_of_folder) -> Labelled:
    """List the files of each part with their classes. A test folder without any label is left out.

    :return: {"whole": [(name, class), ...]}, or some of "train", "val" and "test" if there are such folders.
    :raises DataError: there are no images, images without a class, part folders beside others, a class without
        any image that is decoded, or two names that look the same.
    """
    layout, listing = _listed(source, label_of)
    return _judged(source, layout, listing)


def list_test(source: Source, label_of: LabelRule = class_of_folder) -> tuple[Labelled, bool]:
    """List the files to test a model on: test/ if there are train/ and a labelled test/, or else all.

    :return: as `list_labelled`; whether other parts were left out.
    :raises DataError: as `list_labelled`, for the listed parts.
    """
    layout, listing = _listed(source, label_of)
    has_test = TRAIN in listing and any(label for _, label in listing.get(TEST, ()))
    if has_test:
        layout, listing = replace(layout, only=TEST), {TEST: listing[TEST]}
    return _judged(source, layout, listing), has_test


def _listed(source: Source, label_of: LabelRule) -> tuple[_Layout, _Listing]:
    names = [file.name for file in source.files()]
    if not names:
        undecoded = source.undecoded()
        formats = (
            f"; {suffixes_of(undecoded)} are not decoded, convert them to JPEG or PNG" if undecoded else ""
        )
        raise DataError(
            f"no images in '{source}' (found: {source.found()}{formats}); "
            "give a folder or a zip archive with images"
        )
    layout = _layout(source, names, label_of)
    listing: _Listing = {}
    for name in names:
        part, label = layout.place(name)
        listing.setdefault(part, []).append((name, label))
    return layout, listing


def _judged(source: Source, layout: _Layout, listing: _Listing) -> Labelled:
    """Return a listing with the classes in `normal_form`; refuse, or warn about, what is wrong with it."""
    used = {(part, label) for part, files in listing.items() for _, label in files}
    check_left_out(source, layout.place, used)
    if TEST in listing and not any(label for _, label in listing[TEST]):
        count = len(listing.pop(TEST))
        logger.warning("the %d test images in '%s' have no labels and are not used", count, source)
    labelled = {part: _all_labelled(source, files, layout.label_of) for part, files in listing.items()}
    for files in labelled.values():
        check_unique({label for _, label in files}, str(source.path))
    return {part: [(name, normal_form(label)) for name, label in files] for part, files in labelled.items()}


def class_names_of(source: Source, labelled: Labelled) -> tuple[str, ...]:
    """Return the sorted classes of the training images.

    :raises DataError: there are no training images, there is a single class, or another part has other classes.
    """
    learned = labelled.get(TRAIN, labelled.get(WHOLE))
    if learned is None:
        raise DataError(f"no train folder in '{source}' (found: {', '.join(sorted(labelled))}); add one")
    names = tuple(sorted({label for _, label in learned}))
    if len(names) < 2:
        raise DataError(
            f"a single class in '{source}' ({shortened(names)}; {source.found()}); "
            "give at least two classes, each in a folder of its own"
        )
    for part, files in labelled.items():
        if unknown := sorted({label for _, label in files} - set(names)):
            raise DataError(
                f"classes in {part} that train does not have ({shortened(unknown)}) in '{source}'"
                f"{confused(unknown, names)}; add them to train, rename or remove them"
            )
    return names


def _layout(source: Source, names: Iterable[str], label_of: LabelRule) -> _Layout:
    """Return the layout: folders are parts if they are named like parts and have labels inside.

    :raises DataError: only some of the folders are parts.
    """
    paths = [parts_of(name) for name in names]
    enclosing = _enclosing(paths)
    paths = [path[len(enclosing) :] for path in paths]
    parts = sorted({path[0] for path in paths if _part_of(path)})
    others = sorted({path[0] for path in paths if not _part_of(path)})
    if not any(label_of(path[1:]) for path in paths if _part_of(path)):
        if parts and not others:
            raise DataError(
                f"in '{source}' {shortened(parts)} is named like a part of a set, but "
                f"holds no classes; place the images as train/CLASS/NAME.jpg{_pet_hint(label_of, paths)}"
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


def _all_labelled(
    source: Source, files: Sequence[tuple[str, str | None]], label_of: LabelRule
) -> list[tuple[str, str]]:
    unlabelled = [name for name, label in files if label is None]
    if unlabelled:
        hint = _pet_hint(label_of, [parts_of(name) for name in unlabelled])
        by_folder = "put each into the folder of its class"
        wanted = by_folder if label_of is class_of_folder else "name each by its class"
        raise DataError(
            f"{len(unlabelled)} of {len(files)} images in '{source}' have no class "
            f"({shortened(unlabelled)}); {wanted}, or remove them{hint}"
        )
    return [(name, label) for name, label in files if label is not None]


def _pet_hint(label_of: LabelRule, paths: Iterable[_Path]) -> str:
    """Suggest asirra if class folders are missing and all training files are named like cats and dogs."""
    learned = [path for path in paths if _part_of(path) != TEST]
    are_pets = label_of is class_of_folder and learned and all(map(class_of_pet, learned))
    return "; cat.N.jpg and dog.N.jpg are read with --data.name asirra" if are_pets else ""
