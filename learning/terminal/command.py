"""Run a script: an error becomes one line and an exit code. Imports no TensorFlow."""

import contextlib
import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from datasets.errors import escape_name, is_storage_condition
from datasets.options.script_parser import ScriptParser
from datasets.storage.failures import first_line
from learning.errors import CheckpointError, Interrupted, StorageError
from learning.terminal.output import guard_output, is_watched, lost_output
from models.graph.errors import users_line

__all__ = ["ScriptParser", "announce", "run_script"]


def announce(text: str) -> None:
    """Say what takes the next seconds, if standard output is a terminal."""
    if is_watched():
        print(text, flush=True)


def run_script(main: Callable[[], None]) -> NoReturn:
    """Run a script's `main`; an error becomes one line on stderr and an exit code, with --debug a traceback.

    Only here do exceptions become exit codes; each exception of the project has its own. A script whose files are
    complete exits with 6 if some of its output was lost.
    """
    guard_output()
    try:
        _run_and_flush(main)
    except BrokenPipeError:  # the reader of the output has left, as in `predict.py ... | head`
        sys.exit(141)
    except Exception as error:
        code = _exit_code(error)
        if code is None or "--debug" in sys.argv:
            traceback.print_exc()
        elif str(error) or not isinstance(error, Interrupted):  # only the chief says why the workers stop
            _complain(_one_line(error) or type(error).__name__)
        sys.exit(1 if code is None else code)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)
    if (reason := lost_output()) is not None:
        _complain(f"not all of its output could be written ({reason}); its files are complete")
        sys.exit(StorageError.exit_code)
    sys.exit(0)


def _run_and_flush(main: Callable[[], None]) -> None:
    """Run `main` and flush standard output, also after --help: a stream that fails at exit prints a traceback.

    An error of `main` wins over one of the stream.
    """
    try:
        main()
    except SystemExit:
        sys.stdout.flush()
        raise
    except BaseException:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        raise
    sys.stdout.flush()


def _complain(text: str) -> None:
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error, or None if it is a defect of the project."""
    if hasattr(error, "exit_code"):
        return int(error.exit_code)
    if is_storage_condition(error) or _is_out_of_memory(error):
        return StorageError.exit_code
    return None if _network_problem(error) is None else CheckpointError.exit_code


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's


def _one_line(error: Exception) -> str:
    if _is_out_of_memory(error):
        is_training = "train" in Path(sys.argv[0]).name
        return (
            f"out of memory: {'try a smaller --train.batch_size' if is_training else 'close other programs'}"
        )
    if isinstance(error, OSError):
        where = f"cannot use {error.filename}: " if error.filename else ""
        return escape_name(f"{' '.join(where.split())} {error.strerror}; {_advice(error)}".strip())
    return escape_name(" ".join((_network_problem(error) or str(error)).split()))


def _advice(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "check its permissions, or give another place"
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return "close other programs, or raise the limit (ulimit)"
    return "give a shorter path" if error.errno == errno.ENAMETOOLONG else "make room, or give other places"


def _network_problem(error: Exception) -> str | None:
    """Return what failed and on which line, if it is an operation of a user's own network, else None."""
    errors: Any = getattr(sys.modules.get("tensorflow"), "errors", None)
    op = error.op if errors is not None and isinstance(error, errors.OpError) else None
    while op is not None:
        place = users_line(op.traceback or ())
        if place is not None:
            return (
                f"the network fails when it runs, in the {op.type} {op.name!r} of {place}: {first_line(error)}; "
                "fix the network, or choose another --model.name"
            )
        op = getattr(op, "_original_op", None)  # the operation whose gradient this one computes
    return None
