"""Errors about data, options and storage, and how their messages show names."""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class DataError(Exception):
    """The data cannot be used; the message says what is wrong, where, and what to do."""

    exit_code = 3


class ClassMismatchError(DataError):
    """The classes found are not those that a model was trained on."""

    exit_code = 4


class StorageError(Exception):
    """A file cannot be written or read because of the machine: no permission, no space, not a folder.

    It is not a DataError: a program that skips unusable data must still stop when the disk fails.
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
    """Return whether a system error is the machine's fault: no space, no permission, too many open files.

    Other errors, such as a missing file, are defects of the code that did not expect them.
    """
    return isinstance(error, OSError) and error.errno in STORAGE_CONDITIONS


def escape_name(name: Path | str) -> str:
    """Return a file name on one line: line breaks, control characters and undecodable bytes become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(name))


def shortened(names: Iterable[str], limit: int = 5) -> str:
    """Return the first `limit` names, escaped and quoted, and the number of the others."""
    names = list(names)
    listed = ", ".join(f"'{escape_name(name)}'" for name in names[:limit])
    rest = len(names) - limit
    return listed + (f" and {rest} more" if rest > 0 else "") if names else "nothing"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Suggest the known word nearest to a misspelt one, or list all known words."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"


def encodable(text: object) -> str:
    """Return a text without what UTF-8 cannot encode, such as the undecodable bytes of a file name: each as "?"."""
    return str(text).encode("utf-8", "replace").decode("utf-8")
