"""What the scripts share: errors as one line with an exit code, and a word about what takes a while."""

import contextlib
import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from datasets.errors import escape_name, is_storage_condition
from datasets.options.script_parser import ScriptParser
from learning.errors import CheckpointError, StorageError
from learning.terminal.network_errors import network_problem
from learning.terminal.output import guard_output, is_watched, lost_output

__all__ = ["ScriptParser", "announce", "run_script"]


def announce(text: str) -> None:
    """Say what takes the next seconds, where somebody is watching."""
    if is_watched():
        print(text, flush=True)


def run_script(main: Callable[[], None]) -> NoReturn:
    """Run a script's `main`; an error becomes one line on stderr and its exit code, with --debug a traceback.

    This is the one place where exceptions become exit codes: each project exception carries its own. A script
    whose files count, and that has written them, still exits with 6 where some of what it printed was lost.
    """
    guard_output()
    try:
        _run_and_flush(main)
    except BrokenPipeError:  # the reader of our output has gone, as in `predict.py ... | head`
        sys.exit(141)
    except Exception as error:
        code = _exit_code(error)
        if code is None or "--debug" in sys.argv:
            traceback.print_exc()
        else:
            _complain(_one_line(error))
        sys.exit(1 if code is None else code)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)
    if (reason := lost_output()) is not None:
        _complain(f"not all of its output could be written ({reason}); its files are complete")
        sys.exit(StorageError.exit_code)
    sys.exit(0)


def _run_and_flush(main: Callable[[], None]) -> None:
    """Also where --help leaves: at the end of the process a stream that fails would make a traceback.

    An error of `main` counts more than one of the stream.
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
    """The project's exit code for an exception, None for one that is a defect of the project."""
    if hasattr(error, "exit_code"):
        return int(error.exit_code)
    if is_storage_condition(error) or _is_out_of_memory(error):
        return StorageError.exit_code
    return None if network_problem(error) is None else CheckpointError.exit_code


def _is_out_of_memory(error: Exception) -> bool:
    """By name, because the scripts fail on bad arguments before TensorFlow is imported."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _one_line(error: Exception) -> str:
    if _is_out_of_memory(error):
        is_training = "train" in Path(sys.argv[0]).name
        return (
            f"out of memory: {'try a smaller --train.batch_size' if is_training else 'close other programs'}"
        )
    if isinstance(error, OSError):
        where = f"cannot use {error.filename}: " if error.filename else ""
        return escape_name(f"{' '.join(where.split())} {error.strerror}; {_advice(error)}".strip())
    return escape_name(" ".join((network_problem(error) or str(error)).split()))


def _advice(error: OSError) -> str:
    """What to do about an error of the system."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "check its permissions, or give another place"
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return "close other programs, or raise the limit (ulimit)"
    return "give a shorter path" if error.errno == errno.ENAMETOOLONG else "make room, or give other places"
