"""Packages that only some commands need: the extras of setup.cfg."""

from collections.abc import Sequence
from importlib.util import find_spec

from learning.errors import UsageError


def require_packages(what: str, packages: Sequence[str], extra: str) -> None:
    """Raise UsageError unless packages are installed. None is imported, so this takes no time.

    :param what: the command that needs them, for the message.
    :param packages: by the names that pip knows.
    :param extra: of setup.cfg, which installs them.
    """
    missing = [name for name in packages if find_spec(name.replace("-", "_")) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}; {how_to_install(extra)}")


def require_tensorboard() -> None:
    """Raise UsageError unless TensorBoard is installed; it describes the options in a run's events."""
    require_packages("--train.tensorboard true", ["tensorboard"], "tensorboard")


def how_to_install(extra: str) -> str:
    """Return the advice to install an extra."""
    return f"install with pip install -e '.[{extra}]'"
