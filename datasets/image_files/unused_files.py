"""Report what a source holds beside the images that are used, and refuse classes that consist of it."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from datasets.errors import DataError, escape_name, shortened
from datasets.image_files.folder_names import TRAIN, WHOLE
from datasets.image_files.source import Source
from datasets.images.formats import OTHER, kind_by_name, suffix_of

_NAMED = 3  # files and suffixes that a message shows
_UNDECODED = ("image whose format is not decoded", "images whose formats are not decoded")
_NO_IMAGES = ("file that is not an image", "files that are not images")

Place = tuple[str, str | None]  # part, class
Labelled = Mapping[str, Sequence[tuple[str, str]]]  # (file, class) of each part
Bad = Sequence[tuple[str, str]]  # (file, reason) of each that cannot be read

logger = logging.getLogger(__name__)


def check_left_out(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> None:
    """Warn about files and class folders that are not used.

    :param place: the part and the class of a file by its name.
    :param used: the places that have images.
    :raises DataError: a class, or a part, has no image that is decoded, and files that may be images.
    """
    _refuse_or_warn(source, _lost(source, place, used))
    warn_of_left_out(source)
    empty = _empty_classes(source, place, used)
    if empty:
        logger.warning(
            "in '%s' %s %s empty, and cannot be a class",
            escape_name(source.path),
            shortened(empty),
            _are(empty),
        )


def warn_of_left_out(source: Source) -> None:
    """Count and name the images in formats that are not decoded, and the files that are not images.

    Files whose suffix is known not to be an image's are expected beside images, and only worth an INFO.
    """
    unknown = [name for name in source.others() if not _is_known(name)]
    known = [name for name in source.others() if _is_known(name)]
    for level, names, one, several, advice in (
        (logging.WARNING, source.undecoded(), *_UNDECODED, "; convert to JPEG or PNG"),
        (logging.WARNING, unknown, *_NO_IMAGES, ""),
        (logging.INFO, known, *_NO_IMAGES, ""),
    ):
        if names:
            logger.log(
                level,
                "Ignored %d %s (%s): %s in '%s'%s",
                *(len(names), _are(names, one, several), suffixes_of(names), shortened(names, _NAMED)),
                *(escape_name(source.path), advice),
            )


def check_readable_classes(source: Source, taken: Labelled, bad: Bad, listed: Labelled) -> None:
    """Refuse classes to learn of which no image can be read, however few these are; warn of all others.

    :param taken: the files that were read: all that are listed, or a sample.
    :param bad: (name, reason) of each file that cannot be read.
    :param listed: all files.
    :raises DataError: of a class in the training images no file can be read, and none is left that was not tried.
    """
    lost = _unreadable_classes(taken, bad)
    sizes = _class_sizes(listed)
    refused = [place for place in lost if place[0] in (TRAIN, WHOLE) and len(lost[place]) == sizes[place]]
    if refused:
        raise DataError(f"{_unreadable(source, refused, lost, bad)}; repair them, or remove the class")
    warn_of_unreadable_classes(source, taken, bad)


def warn_of_unreadable_classes(source: Source, taken: Labelled, bad: Bad) -> None:
    """Warn about classes of which no image can be read."""
    lost = _unreadable_classes(taken, bad)
    if lost:
        logger.warning("%s; repair them", _unreadable(source, list(lost), lost, bad))


def suffixes_of(names: Iterable[str]) -> str:
    """Return the suffixes of some files, the most frequent first."""
    counted = Counter(suffix_of(name) or "no suffix" for name in names).most_common()
    more = ", ..." if len(counted) > _NAMED else ""
    return ", ".join(escape_name(suffix) for suffix, _ in counted[:_NAMED]) + more


def _lost(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> dict[Place, list[str]]:
    """Return the files of classes, and of parts without classes, that have files and not one image among them."""
    lost: dict[Place, list[str]] = {}
    for name in [*source.undecoded(), *source.others()]:
        part, label = place(name)
        is_unused_part = label is None and part != WHOLE and all(part != other for other, _ in used)
        if is_unused_part or (label is not None and (part, label) not in used):
            lost.setdefault((part, label), []).append(name)
    return lost


def _refuse_or_warn(source: Source, lost: Mapping[Place, Sequence[str]]) -> None:
    """Refuse lost classes that may hold images; warn of those whose suffixes all say that they hold none."""
    refused = {place: names for place, names in lost.items() if not all(map(_is_known, names))}
    told = refused or lost
    if not told:
        return
    names = sorted(name for found in told.values() for name in found)
    classes = sorted(_shown(part, label) for part, label in told)
    where = f"in '{escape_name(source.path)}' {shortened(classes)}"
    found = f"(found: {shortened(names, _NAMED)}; {suffixes_of(names)})"
    if refused:
        raise DataError(
            f"{where} {_are(classes, 'has', 'have')} no images that are decoded {found}; convert them to JPEG or "
            "PNG, or move away what is not a class"
        )
    logger.warning("%s %s no images %s, and cannot be a class", where, _are(classes, "has", "have"), found)


def _is_known(name: str) -> bool:
    """Return whether the suffix alone tells that a file is not an image."""
    return kind_by_name(name) == OTHER


def _unreadable_classes(taken: Labelled, bad: Bad) -> dict[Place, list[str]]:
    """Return the files of each class of which none can be read, sorted."""
    reasons = dict(bad)
    names: dict[Place, list[str]] = {}
    for part, files in taken.items():
        for name, label in files:
            names.setdefault((part, label), []).append(name)
    return {place: names[place] for place in sorted(names) if all(name in reasons for name in names[place])}


def _class_sizes(listed: Labelled) -> Counter[Place]:
    return Counter((part, label) for part, files in listed.items() for _, label in files)


def _unreadable(
    source: Source, places: Sequence[Place], lost: Mapping[Place, Sequence[str]], bad: Bad
) -> str:
    example = lost[places[0]][0]
    return (
        f"in '{escape_name(source.path)}' none of the images of "
        f"{shortened(_shown(part, label) for part, label in places)} can be read "
        f"('{escape_name(example)}': {dict(bad)[example]})"
    )


def _empty_classes(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> list[str]:
    """Return the folders that would be a class or a part if they had an image in them."""
    known = {(WHOLE, None), *used}
    return [folder for folder in source.empty_folders() if place(f"{folder}/_") not in known]


def _shown(part: str, label: str | None) -> str:
    if label is None:
        return part
    return label if part == WHOLE else f"{part}/{label}"


def _are(names: Sequence[str], one: str = "is", several: str = "are") -> str:
    return one if len(names) == 1 else several
