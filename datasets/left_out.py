"""What a source holds beside the images that are used: said, and refused where a class consists of it."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from datasets.errors import DataError, escape_name, shortened
from datasets.formats import suffix_of
from datasets.parts import TRAIN, WHOLE
from datasets.source_files import Source

_NAMED = 3  # files and suffixes that a message shows

Place = tuple[str, str | None]  # part, class
Labelled = Mapping[str, Sequence[tuple[str, str]]]  # (file, class) of each part
Bad = Sequence[tuple[str, str]]  # (file, reason) of each that cannot be read

logger = logging.getLogger(__name__)


def check_left_out(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> None:
    """Warn about files and class folders that are not used.

    :param place: the part and the class of a file by its name.
    :param used: the places that have images.
    :raises DataError: all files of a class, or of a part, are of other kinds.
    """
    _refuse_lost(source, place, used)
    warn_of_left_out(source)
    empty = _empty_classes(source, place, used)
    if empty:
        logger.warning(
            "in '%s' %s %s empty, and cannot be a class",
            escape_name(str(source.path)),
            shortened(empty),
            _are(empty),
        )


def warn_of_left_out(source: Source) -> None:
    """Count and name the images in formats that are not decoded, and the files that are not images."""
    for names, what, advice in (
        (source.undecoded(), "their formats are not decoded", "; convert them to JPEG or PNG"),
        (source.others(), "they are not images", ""),
    ):
        if names:
            logger.warning(
                "%d file%s in '%s' %s left out, because %s (%s): %s%s",
                *(len(names), "s" * (len(names) > 1), escape_name(str(source.path)), _are(names)),
                *(what, suffixes_of(names), shortened(names, _NAMED), advice),
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
    """The suffixes of some files, the most frequent first."""
    counted = Counter(suffix_of(name) or "no suffix" for name in names).most_common()
    more = ", ..." if len(counted) > _NAMED else ""
    return ", ".join(escape_name(suffix) for suffix, _ in counted[:_NAMED]) + more


def _refuse_lost(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> None:
    """Refuse classes, and parts without classes, that have files and not one image among them."""
    lost: dict[Place, list[str]] = {}
    for name in [*source.undecoded(), *source.others()]:
        part, label = place(name)
        is_unused_part = label is None and part != WHOLE and all(part != other for other, _ in used)
        if is_unused_part or (label is not None and (part, label) not in used):
            lost.setdefault((part, label), []).append(name)
    if lost:
        names = sorted(name for found in lost.values() for name in found)
        classes = sorted(_shown(part, label) for part, label in lost)
        raise DataError(
            f"in '{escape_name(str(source.path))}' {shortened(classes)} {_are(classes, 'has', 'have')} no images "
            f"that are decoded (found: {shortened(names, _NAMED)}; {suffixes_of(names)}); convert them to JPEG or "
            "PNG, or move away what is not a class"
        )


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
        f"in '{escape_name(str(source.path))}' none of the images of "
        f"{shortened(_shown(part, label) for part, label in places)} can be read "
        f"('{escape_name(example)}': {dict(bad)[example]})"
    )


def _empty_classes(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> list[str]:
    """The folders that would be a class or a part if they had an image in them."""
    known = {(WHOLE, None), *used}
    return [folder for folder in source.empty_folders() if place(f"{folder}/_") not in known]


def _shown(part: str, label: str | None) -> str:
    if label is None:
        return part
    return label if part == WHOLE else f"{part}/{label}"


def _are(names: Sequence[str], one: str = "is", several: str = "are") -> str:
    return one if len(names) == 1 else several
