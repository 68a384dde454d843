"""Class names: one Unicode form for all, and none that a person could take for another."""

import unicodedata
from collections.abc import Iterable, Sequence

from datasets.errors import DataError, escape_name


def normal_form(name: str) -> str:
    """The name in Unicode's composed form (NFC); file systems also hold decomposed ones, which look the same."""
    return unicodedata.normalize("NFC", name)


def check_distinct(names: Iterable[str], place: str) -> None:
    """Refuses class names of which two differ in nothing that a person would name: form, case, spaces.

    Single letters are told apart by their case, as an alphabet needs it.

    :param place: of the classes, for the message.
    :raises DataError: there are two such names; they are shown so that the difference is seen.
    """
    seen: dict[str, str] = {}
    for name in sorted(names):
        twin = seen.setdefault(_without_case(name), name)
        if twin != name:
            raise DataError(
                f"in '{escape_name(place)}' the classes {difference(twin, name)}; put their images into one "
                "folder, or rename one of the two"
            )


def difference(name: str, other: str) -> str:
    """In what two names differ that are easily taken for each other."""
    if normal_form(name) == normal_form(other):
        return f"{name!a} and {other!a} are one name in two Unicode forms"
    return f"'{escape_name(name)}' and '{escape_name(other)}' differ in case or spaces alone"


def confused(names: Iterable[str], known: Sequence[str]) -> str:
    """A hint for a message about unknown names: the first that is a known one but for its case; or ''."""
    by_key = {_without_case(name): name for name in known}
    for name in sorted(names):
        twin = by_key.get(_without_case(name))
        if twin is not None:
            return f"; {difference(twin, name)}"
    return ""


def _without_case(name: str) -> str:
    bare = normal_form(name).strip()
    return bare.lower() if len(bare) > 1 else bare
