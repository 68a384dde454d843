"""Read the names of parts and classes from folders, and refuse names that look the same."""

import logging
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from datasets.errors import DataError, escape_name

WHOLE, TRAIN, VAL, TEST = "whole", "train", "val", "test"  # whole: not split yet
PART_OF = {  # folder names, ignoring case
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation"), VAL),
    **dict.fromkeys(("test", "testing", "test1"), TEST),  # Kaggle's archives say test1
}
_NAMED = 3  # pairs of names in a message

logger = logging.getLogger(__name__)


def normal_form(name: str) -> str:
    """Return the name in Unicode's composed form (NFC); file systems may store the decomposed one."""
    return unicodedata.normalize("NFC", name)


def check_unique(names: Iterable[str], place: str) -> None:
    """Refuse class names that differ only in their Unicode form or outer spaces.

    Warn about names that differ only in case, which may be intended: LaTeX has Delta and delta. Single letters may
    differ in case without a warning, as in an alphabet.

    :param place: of the classes, for the message.
    :raises DataError: there are two such names; the message shows their difference.
    """
    names = sorted(names)
    for twin, name in _twins(names, lambda name: normal_form(name).strip()):
        raise DataError(
            f"in '{escape_name(place)}' the classes {_difference(twin, name)}; put their images into one "
            "folder, or rename one of the two"
        )
    if pairs := _twins(names, _without_case):
        shown = ", ".join(f"'{escape_name(twin)}' and '{escape_name(name)}'" for twin, name in pairs[:_NAMED])
        more = f" and {len(pairs) - _NAMED} more pairs" if len(pairs) > _NAMED else ""
        logger.warning(
            "in '%s' classes differ in case alone, and are learned as different ones: %s%s; if they are one "
            "class, put their images into one folder",
            *(escape_name(place), shown, more),
        )


def _twins(names: Iterable[str], key: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return the pairs of a name and the first name with the same key."""
    seen: dict[str, str] = {}
    pairs = [(seen.setdefault(key(name), name), name) for name in names]
    return [(twin, name) for twin, name in pairs if twin != name]


def _difference(name: str, other: str) -> str:
    """Describe the difference of two names that look alike."""
    if normal_form(name) == normal_form(other):
        return f"{name!a} and {other!a} are one name in two Unicode forms"
    return f"'{escape_name(name)}' and '{escape_name(other)}' differ in case or spaces alone"


def confused(names: Iterable[str], known: Sequence[str]) -> str:
    """Return a hint about the first unknown name that differs from a known one only in case, or ''."""
    by_key = {_without_case(name): name for name in known}
    for name in sorted(names):
        if twin := by_key.get(_without_case(name)):
            return f"; {_difference(twin, name)}"
    return ""


def _without_case(name: str) -> str:
    bare = normal_form(name).strip()
    return bare.lower() if len(bare) > 1 else bare
