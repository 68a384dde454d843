"""Report the files of a source that are not used, and refuse classes without usable images."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from datasets.errors import DataError, escape_name, shortened
from datasets.image_files.folder_names import TRAIN, WHOLE
from datasets.image_files.source import Source
from datasets.images.formats import OTHER, kind_by_name, suffix_of

_NAMED = 3  # files and suffixes in a message
_UNDECODED = ("image whose format is not decoded", "images whose formats are not decoded")
_NO_IMAGES = ("file that is not an image", "files that are not images")

Place = tuple[str, str | None]  # part, class
Labelled = Mapping[str, Sequence[tuple[str, str]]]  # (file, class) of each part
Bad = Sequence[tuple[str, str]]  # (file, reason) of each unreadable file

logger = logging.getLogger(__name__)


def check_left_out(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> None:
    """Warn about files and class folders that are not used.

    :param place: returns the part and the class of a file.
    :param used: the places that have images.
    :raises DataError: a class or a part has files that may be images, but none that is decoded.
    """
    _check_lost(source, _lost(source, place, used))
    warn_of_left_out(source)
    known = {(WHOLE, None), *used}
    empty = [folder for folder in source.empty_folders() if place(f"{folder}/_") not in known]
    if empty:
        logger.warning("in '%s' %s %s empty, and cannot be a class", source, shortened(empty), _are(empty))


def warn_of_left_out(source: Source) -> None:
    """Count and name the images whose formats are not decoded, and the files that are not images.

    Files with a suffix of another kind are expected beside images, and only logged as INFO.
    """
    unknown = [name for name in source.others() if not _is_known(name)]
    known = [name for name in source.others() if _is_known(name)]
    for level, names, words, advice in (
        (logging.WARNING, source.undecoded(), _UNDECODED, "; convert to JPEG or PNG"),
        (logging.WARNING, unknown, _NO_IMAGES, ""),
        (logging.INFO, known, _NO_IMAGES, ""),
    ):
        if names:
            found = f"{_are(names, *words)} ({suffixes_of(names)}): {shortened(names, _NAMED)}"
            logger.log(level, "Ignored %d %s in '%s'%s", len(names), found, source, advice)


def check_readable_classes(source: Source, taken: Labelled, bad: Bad, listed: Labelled) -> None:
    """Refuse training classes without a readable image, and warn about such classes in other parts.

    :param taken: the files that were read: all listed files, or a sample.
    :param bad: (name, reason) of each unreadable file.
    :param listed: all files.
    :raises DataError: all files of a training class were read, and none is readable.
    """
    lost = _unreadable_classes(taken, bad)
    learned = [place for place in lost if place[0] in (TRAIN, WHOLE)]
    files = Counter(place for place, _ in _places(listed)) if learned else Counter()
    refused = [place for place in learned if len(lost[place]) == files[place]]
    if refused:
        raise DataError(f"{_unreadable(source, refused, lost, bad)}; repair them, or remove the class")
    warn_of_unreadable_classes(source, taken, bad)


def warn_of_unreadable_classes(source: Source, taken: Labelled, bad: Bad) -> None:
    """Warn about classes without a readable image."""
    if lost := _unreadable_classes(taken, bad):
        logger.warning("%s; repair them", _unreadable(source, list(lost), lost, bad))


def suffixes_of(names: Iterable[str]) -> str:
    """Return the suffixes of some files, the most frequent first."""
    counted = Counter(suffix_of(name) or "no suffix" for name in names).most_common()
    more = ", ..." if len(counted) > _NAMED else ""
    return ", ".join(escape_name(suffix) for suffix, _ in counted[:_NAMED]) + more


def _lost(source: Source, place: Callable[[str], Place], used: Collection[Place]) -> dict[Place, list[str]]:
    """Return the files of classes, and of parts without classes, that hold no image."""
    lost: dict[Place, list[str]] = {}
    for name in [*source.undecoded(), *source.others()]:
        part, label = place(name)
        is_unused_part = label is None and part != WHOLE and all(part != other for other, _ in used)
        if is_unused_part or (label is not None and (part, label) not in used):
            lost.setdefault((part, label), []).append(name)
    return lost


def _check_lost(source: Source, lost: Mapping[Place, Sequence[str]]) -> None:
    """Refuse lost classes that may hold images; warn about those whose suffixes exclude it."""
    refused = {place: names for place, names in lost.items() if not all(map(_is_known, names))}
    told = refused or lost
    if not told:
        return
    names = sorted(name for found in told.values() for name in found)
    classes = sorted(map(_shown, told))
    have = f"in '{source}' {shortened(classes)} {_are(classes, 'has', 'have')} no images"
    found = f"(found: {shortened(names, _NAMED)}; {suffixes_of(names)})"
    if refused:
        raise DataError(
            f"{have} that are decoded {found}; convert them to JPEG or PNG, or move away what is not a class"
        )
    logger.warning("%s %s, and cannot be a class", have, found)


def _is_known(name: str) -> bool:
    """Return whether the suffix is known not to be an image's."""
    return kind_by_name(name) == OTHER


def _places(labelled: Labelled) -> Iterator[tuple[Place, str]]:
    """Yield the place and the name of every file."""
    for part, files in labelled.items():
        for name, label in files:
            yield (part, label), name


def _unreadable_classes(taken: Labelled, bad: Bad) -> dict[Place, list[str]]:
    """Return the files of each class without a readable one, sorted by class."""
    reasons, lost = dict(bad), dict[Place, list[str]]()
    if not reasons:
        return lost
    readable = {place for place, name in _places(taken) if name not in reasons}
    for place, name in _places(taken):
        if place not in readable:
            lost.setdefault(place, []).append(name)
    return {place: lost[place] for place in sorted(lost)}


def _unreadable(
    source: Source, places: Sequence[Place], lost: Mapping[Place, Sequence[str]], bad: Bad
) -> str:
    example = lost[places[0]][0]
    return (
        f"in '{source}' none of the images of {shortened(map(_shown, places))} can be read "
        f"('{escape_name(example)}': {dict(bad)[example]})"
    )


def _shown(place: Place) -> str:
    part, label = place
    if label is None:
        return part
    return label if part == WHOLE else f"{part}/{label}"


def _are(names: Sequence[str], one: str = "is", several: str = "are") -> str:
    return one if len(names) == 1 else several
