"""What can be wrong with data, in words for the person who gave it."""

from collections.abc import Iterable


class DataError(Exception):
    """The data cannot be used; the message says what is wrong, where, and what to do."""

    exit_code = 3


class ClassMismatchError(DataError):
    """The classes found are not those that a model was trained on."""

    exit_code = 4


class StorageError(DataError):
    """The disk does not hold what is asked of it: no permission, no space, not a folder."""

    exit_code = 6


class OptionError(DataError, ValueError):
    """An option has a value (or a name) that no data could satisfy."""

    exit_code = 2


def escape_name(name: str) -> str:
    """A file name on one line: line breaks, control characters and undecodable bytes as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def shortened(names: Iterable[str], limit: int = 5) -> str:
    """The first `limit` of some names, escaped and quoted, and how many more there are."""
    names = list(names)
    listed = ", ".join(f"'{escape_name(name)}'" for name in names[:limit])
    rest = len(names) - limit
    return listed + (f" and {rest} more" if rest > 0 else "") if names else "nothing"
