"""The options of a run as trackers take them."""

from collections.abc import Mapping
from typing import Any

from datasets.errors import encodable
from learning.config.recipes import flatten


def plain_options(config: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Return the options of a run by their names on the command line; what is not a number or a switch is text."""
    return {
        key: value if isinstance(value, bool | int | float) else encodable(value)
        for key, value in flatten(config).items()
    }
