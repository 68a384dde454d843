"""Errors of TensorFlow while a user's own network runs, told by the line of the network that they come from.

Imports no TensorFlow: the scripts ask here about every error.
"""

import sys
from collections.abc import Iterator
from typing import Any

from datasets.storage.failures import first_line
from models.graph.errors import users_line


def network_problem(error: Exception) -> str | None:
    """What failed and where it was written, in one line; None unless that is an operation of a user's own code."""
    for op in _operations(error):
        place = users_line(op.traceback or ())
        if place is not None:
            return (
                f"the network fails when it runs, in the {op.type} {op.name!r} of {place}: {first_line(error)}; "
                "mend the network, or choose another --model.name"
            )
    return None


def _operations(error: Exception) -> Iterator[Any]:
    """The operation that failed, and that whose gradient it is."""
    errors: Any = getattr(sys.modules.get("tensorflow"), "errors", None)
    op = error.op if errors is not None and isinstance(error, errors.OpError) else None
    while op is not None:
        yield op
        op = getattr(op, "_original_op", None)
