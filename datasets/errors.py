"""What can be wrong with data, in words for the person who gave it."""

import difflib
import errno
from collections.abc import Iterable


class DataError(Exception):
    """The data cannot be used; the message says what is wrong, where, and what to do."""

    exit_code = 3


class ClassMismatchError(DataError):
    """The classes found are not those that a model was trained on."""

    exit_code = 4


class StorageError(Exception):
    """The disk does not hold what is asked of it: no permission, no space, not a folder.

    Not a DataError: who goes on without data that cannot be used must not go on without a disk.
    """

    exit_code = 6


class UsageError(Exception):
    """A bad argument of a script."""

    exit_code = 2


class OptionError(UsageError, DataError, ValueError):
    """An option has an unknown name or an impossible value, whether a script or a program gave it."""

    exit_code = 2


STORAGE_CONDITIONS = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE"),
        *("ENOMEM", "EMFILE", "ENFILE", "ENAMETOOLONG"),
    )
    if hasattr(errno, name)  # not every system knows all of them
)


def is_storage_condition(error: BaseException) -> bool:
    """Whether an error of the system tells of the machine: no room, no permission, too many open files.

    Others, such as a file that is not there, tell of a defect in the code that did not expect them.
    """
    return isinstance(error, OSError) and error.errno in STORAGE_CONDITIONS


def escape_name(name: str) -> str:
    """A file name on one line: line breaks, control characters and undecodable bytes as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def shortened(names: Iterable[str], limit: int = 5) -> str:
    """The first `limit` of some names, escaped and quoted, and how many more there are."""
    names = list(names)
    listed = ", ".join(f"'{escape_name(name)}'" for name in names[:limit])
    rest = len(names) - limit
    return listed + (f" and {rest} more" if rest > 0 else "") if names else "nothing"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Propose the known word that is nearest to a misspelt one, or list them all."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
