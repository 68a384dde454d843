"""Read the names of folders: parts of a set, and classes, in one Unicode form and never two that look the same."""

import logging
import unicodedata
from collections.abc import Iterable, Sequence

from datasets.errors import DataError, escape_name

WHOLE, TRAIN, VAL, TEST = "whole", "train", "val", "test"  # whole: not split yet
PART_OF = {  # folder names, ignoring case
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation"), VAL),
    **dict.fromkeys(("test", "testing", "test1"), TEST),  # Kaggle's archives say test1
}
_NAMED = 3  # pairs of names that a message shows

logger = logging.getLogger(__name__)


def normal_form(name: str) -> str:
    """Return the name in Unicode's composed form (NFC); file systems also hold decomposed ones."""
    return unicodedata.normalize("NFC", name)


def check_distinct(names: Iterable[str], place: str) -> None:
    """Refuse class names of which two differ in nothing that is seen: their Unicode form or outer spaces.

    Warn of names that differ in case alone, which may be meant: LaTeX has Delta and delta. Single letters are told
    apart by their case without a warning, as an alphabet needs it.

    :param place: of the classes, for the message.
    :raises DataError: there are two such names; they are shown so that the difference is seen.
    """
    names = sorted(names)
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(normal_form(name).strip(), name)
        if twin != name:
            raise DataError(
                f"in '{escape_name(place)}' the classes {difference(twin, name)}; put their images into one "
                "folder, or rename one of the two"
            )
    _warn_of_case(names, place)


def _warn_of_case(names: Iterable[str], place: str) -> None:
    seen: dict[str, str] = {}
    pairs = [(seen.setdefault(_without_case(name), name), name) for name in names]
    pairs = [(twin, name) for twin, name in pairs if twin != name]
    if pairs:
        shown = ", ".join(f"'{escape_name(twin)}' and '{escape_name(name)}'" for twin, name in pairs[:_NAMED])
        more = f" and {len(pairs) - _NAMED} more pairs" if len(pairs) > _NAMED else ""
        logger.warning(
            "in '%s' classes differ in case alone, and are learned as different ones: %s%s; if they are one "
            "class, put their images into one folder",
            escape_name(place),
            shown,
            more,
        )


def difference(name: str, other: str) -> str:
    """Describe in what two names differ that are easily taken for each other."""
    if normal_form(name) == normal_form(other):
        return f"{name!a} and {other!a} are one name in two Unicode forms"
    return f"'{escape_name(name)}' and '{escape_name(other)}' differ in case or spaces alone"


def confused(names: Iterable[str], known: Sequence[str]) -> str:
    """Return a hint for a message about unknown names: the first that is a known one but for its case; or ''."""
    by_key = {_without_case(name): name for name in known}
    for name in sorted(names):
        twin = by_key.get(_without_case(name))
        if twin is not None:
            return f"; {difference(twin, name)}"
    return ""


def _without_case(name: str) -> str:
    bare = normal_form(name).strip()
    return bare.lower() if len(bare) > 1 else bare
