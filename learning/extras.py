"""Packages that only some commands need: the extras of setup.cfg."""

from collections.abc import Sequence
from importlib.util import find_spec

from learning.errors import UsageError


def require_packages(what: str, packages: Sequence[str], extra: str, otherwise: str | None = None) -> None:
    """Raise UsageError unless packages are installed. None is imported, so this takes no time.

    :param what: the command or option that needs them, for the message.
    :param packages: by the names that pip knows.
    :param extra: of setup.cfg, which installs them.
    :param otherwise: how to do without them.
    """
    missing = [name for name in packages if find_spec(name.replace("-", "_")) is None]
    if missing:
        advice = how_to_install(extra) if otherwise is None else f"{how_to_install(extra)}, or {otherwise}"
        raise UsageError(f"{what} needs {' and '.join(missing)}; {advice}")


def how_to_install(extra: str) -> str:
    """Return the advice to install an extra."""
    return f"install with pip install -e '.[{extra}]'"
