"""Errors of TensorFlow while a user's own network runs, told by the line of the network that they come from.

Imports no TensorFlow: the scripts ask here about every error.
"""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learning.files import first_line

_ROOT = Path(__file__).resolve().parent.parent
_LIBRARIES = (
    *(_ROOT / name for name in ("datasets", "models", "learning", "train.py", "test.py", "predict.py")),
    Path(sysconfig.get_path("stdlib")).resolve(),
)


def network_problem(error: Exception) -> str | None:
    """What failed and where it was written, in one line; None unless that is an operation of a user's own code."""
    for op in _operations(error):
        place = _user_line(op)
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


def _user_line(op: Any) -> str | None:
    """File and line of the innermost frame outside of this project, TensorFlow and Python itself."""
    for frame in reversed(list(op.traceback or ())):
        path = Path(frame.filename)
        if not path.is_file() or _is_library(path.resolve()):
            continue
        return f"{path}, line {frame.lineno}"
    return None


def _is_library(path: Path) -> bool:
    """Whether a file is this project's, an installed one, or Python's own."""
    return "site-packages" in path.parts or any(known in (path, *path.parents) for known in _LIBRARIES)
