"""List image files with the part of a set and the class that each belongs to."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from datasets.errors import DataError, escape_name, shortened
from datasets.image_files.folder_names import (
    PART_OF,
    TEST,
    TRAIN,
    WHOLE,
    check_distinct,
    confused,
    normal_form,
)
from datasets.image_files.folder_or_zip import Source
from datasets.image_files.unused_files import check_left_out, suffixes_of

PETS = ("cat", "dog")
_PET_FOLDERS = frozenset((*PETS, *PART_OF, "petimages"))

LabelRule = Callable[[tuple[str, ...]], str | None]
Labelled = dict[str, list[tuple[str, str]]]
_Listed = tuple[str, str | None]  # name, class
_Path = tuple[str, ...]

logger = logging.getLogger(__name__)


def class_of_folder(parts: tuple[str, ...]) -> str | None:
    """Apply the label rule of class folders: the first folder's name; None for a file in no folder."""
    return parts[0] if len(parts) > 1 else None


def class_of_pet(parts: tuple[str, ...]) -> str | None:
    """Apply Asirra's label rule: a folder called cat or dog, else a name starting with cat. or dog.; else None."""
    for folder in reversed(parts[:-1]):
        if folder.lower() in PETS:
            return folder.lower()
    start, dot, _ = parts[-1].partition(".") if parts else ("", "", "")
    return start if dot and start in PETS else None


def are_pets(source: Source) -> bool:
    """Return whether all files are cats and dogs by Asirra's rule, apart from those of an unlabelled test folder.

    They are not if a folder has another name: it may be a class, whatever its files are called.
    """
    paths = [PurePosixPath(file.name).parts for file in source.files()]
    depth = len(_enclosing(paths))
    paths = [path[depth:] for path in paths]
    has_labelled_test = any(class_of_pet(path) for path in paths if _in_test(path))
    judged = [path for path in paths if has_labelled_test or not _in_test(path)]
    folders = {folder.lower() for path in judged for folder in path[:-1]}
    return bool(judged) and folders <= _PET_FOLDERS and all(map(class_of_pet, judged))


@dataclass(frozen=True)
class _Layout:
    """How a path tells its part and its class.

    :param enclosing: the one folder that holds everything, which is neither a class nor a part; or nothing.
    :param has_parts: whether the folders below are parts.
    """

    enclosing: _Path
    has_parts: bool
    label_of: LabelRule

    def place(self, name: str) -> tuple[str, str | None]:
        """Return (part, class) of a file."""
        depth = len(self.enclosing)
        path = PurePosixPath(name).parts
        if path[:depth] != self.enclosing:
            return WHOLE, None
        path = path[depth:]
        if not self.has_parts:
            return WHOLE, self.label_of(path)
        return (PART_OF[path[0].lower()], self.label_of(path[1:])) if _in_part(path) else (WHOLE, None)


def list_labelled(source: Source, label_of: LabelRule = class_of_folder) -> Labelled:
    """List the files of each part with their classes.

    :return: {"whole": [(name, class), ...]}, or some of "train", "val" and "test" if there are such folders.
    :raises DataError: no images, images without a class, part folders beside others, a class without any
        image that is decoded, two names that look the same. A test folder without any label is left out.
    """
    layout, listing = _listed(source, label_of)
    return _judged(source, layout.place, listing, label_of)


def list_test(source: Source, label_of: LabelRule = class_of_folder) -> tuple[Labelled, bool]:
    """List what a model is tested on: only test/ if there are train/ and a labelled test/, else everything.

    :return: as `list_labelled`; whether other parts were left out.
    :raises DataError: as `list_labelled`, for the parts that are listed.
    """
    layout, listing = _listed(source, label_of)
    has_test = TRAIN in listing and any(label for _, label in listing.get(TEST, ()))
    if not has_test:
        return _judged(source, layout.place, listing, label_of), False

    def place(name: str) -> tuple[str, str | None]:
        part, label = layout.place(name)
        return (part, label) if part == TEST else (WHOLE, None)

    return _judged(source, place, {TEST: listing[TEST]}, label_of), True


def _listed(source: Source, label_of: LabelRule) -> tuple[_Layout, dict[str, list[_Listed]]]:
    names = [file.name for file in source.files()]
    if not names:
        raise DataError(_no_images(source))
    layout = _layout(source, names, label_of)
    listing: dict[str, list[_Listed]] = {}
    for name in names:
        part, label = layout.place(name)
        listing.setdefault(part, []).append((name, label))
    return layout, listing


def _judged(
    source: Source,
    place: Callable[[str], tuple[str, str | None]],
    listing: dict[str, list[_Listed]],
    label_of: LabelRule,
) -> Labelled:
    """Refuse what is wrong with the parts in a listing, or warn of it."""
    used = {(part, label) for part, files in listing.items() for _, label in files}
    check_left_out(source, place, used)
    _drop_unlabelled_test(source, listing)
    labelled = {part: _all_labelled(source, files, label_of) for part, files in listing.items()}
    for files in labelled.values():
        check_distinct({label for _, label in files}, str(source.path))
    return {part: [(name, normal_form(label)) for name, label in files] for part, files in labelled.items()}


def class_names_of(source: Source, labelled: Labelled) -> tuple[str, ...]:
    """Return the classes to learn, sorted; every other part may have only these.

    :raises DataError: no part to learn from, a single class, a class that is in another part alone.
    """
    learned = labelled.get(TRAIN, labelled.get(WHOLE))
    if learned is None:
        raise DataError(
            f"no train folder in '{escape_name(source.path)}' "
            f"(found: {', '.join(sorted(labelled))}); add one"
        )
    names = tuple(sorted({label for _, label in learned}))
    if len(names) < 2:
        raise DataError(
            f"a single class in '{escape_name(source.path)}' ({shortened(names)}; {source.found()}); "
            "give at least two classes, each in a folder of its own"
        )
    for part, files in labelled.items():
        unknown = sorted({label for _, label in files} - set(names))
        if unknown:
            raise DataError(
                f"classes in {part} that train does not have ({shortened(unknown)}) in "
                f"'{escape_name(source.path)}'{confused(unknown, names)}; add them to train, rename or remove "
                "them"
            )
    return names


def _layout(source: Source, names: Iterable[str], label_of: LabelRule) -> _Layout:
    """See through one enclosing folder; the folders below it are parts if they have labels inside.

    :raises DataError: some of the folders are parts and some are not.
    """
    paths = [PurePosixPath(name).parts for name in names]
    enclosing = _enclosing(paths)
    paths = [path[len(enclosing) :] for path in paths]
    parts = sorted({path[0] for path in paths if _in_part(path)})
    others = sorted({path[0] for path in paths if not _in_part(path)})
    if not any(label_of(path[1:]) for path in paths if _in_part(path)):
        if parts and not others:
            raise DataError(
                f"in '{escape_name(source.path)}' {shortened(parts)} is named like a part of a set, but "
                f"holds no classes; place the images as train/CLASS/NAME.jpg{_pet_hint(label_of, paths)}"
            )
        return _Layout(enclosing, False, label_of)
    if others:
        raise DataError(
            f"in '{escape_name(source.path)}' {shortened(parts)} is named like a part of a set, and "
            f"{shortened(others)} beside it is not; call the parts train, val and test and move everything "
            "else away, or rename a class that has the name of a part"
        )
    return _Layout(enclosing, True, label_of)


def _enclosing(paths: Sequence[_Path]) -> _Path:
    """Return the one folder that everything lies in, if it is no part of a set and has folders in it; or ()."""
    tops = {path[0] for path in paths}
    is_enclosing = len(tops) == 1 and not _in_part(paths[0]) and min(map(len, paths)) > 2
    return paths[0][:1] if is_enclosing else ()


def _in_part(path: _Path) -> bool:
    return len(path) > 1 and path[0].lower() in PART_OF


def _in_test(path: _Path) -> bool:
    return _in_part(path) and PART_OF[path[0].lower()] == TEST


def _no_images(source: Source) -> str:
    undecoded = source.undecoded()
    formats = f"; {suffixes_of(undecoded)} are not decoded, convert them to JPEG or PNG" if undecoded else ""
    return (
        f"no images in '{escape_name(source.path)}' (found: {source.found()}{formats}); "
        "give a folder or a zip archive with images"
    )


def _drop_unlabelled_test(source: Source, listing: dict[str, list[_Listed]]) -> None:
    if TEST in listing and not any(label for _, label in listing[TEST]):
        count = len(listing.pop(TEST))
        logger.warning(
            "the %d test images in '%s' have no labels and are not used", count, escape_name(source.path)
        )


def _all_labelled(source: Source, files: Sequence[_Listed], label_of: LabelRule) -> list[tuple[str, str]]:
    unlabelled = [name for name, label in files if label is None]
    if unlabelled:
        hint = _pet_hint(label_of, [PurePosixPath(name).parts for name in unlabelled])
        wanted = (
            "put each into the folder of its class"
            if label_of is class_of_folder
            else "name each by its class"
        )
        raise DataError(
            f"{len(unlabelled)} of {len(files)} images in '{escape_name(source.path)}' have no class "
            f"({shortened(unlabelled)}); {wanted}, or remove them{hint}"
        )
    return [(name, label) for name, label in files if label is not None]


def _pet_hint(label_of: LabelRule, paths: Iterable[_Path]) -> str:
    """Tell where to turn with cats and dogs in no folder; nothing if some file to learn from is neither."""
    learned = [path for path in paths if not (_in_part(path) and PART_OF[path[0].lower()] == TEST)]
    are_pets = label_of is class_of_folder and learned and all(map(class_of_pet, learned))
    return "; cat.N.jpg and dog.N.jpg are read with --data.name asirra" if are_pets else ""
