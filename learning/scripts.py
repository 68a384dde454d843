"""What the scripts share: errors as one line with an exit code, and a word about what takes a while."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from datasets.errors import is_storage_condition
from learning.errors import CheckpointError, StorageError, UsageError
from learning.network_errors import network_problem


class ScriptParser(argparse.ArgumentParser):
    """An argparse parser whose complaint is one line, with the option --debug that `run_script` looks for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Output:
    """A stream whose reader may leave: what is written after that goes nowhere."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As the stream's."""
        try:
            return int(self._stream.write(text))
        except BrokenPipeError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        """As the stream's."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _leave(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def outlive_reader() -> None:
    """Let the work go on when nobody reads its output any more: a closed terminal, `| head`, a `tee` that ended."""
    sys.stdout, sys.stderr = _Output(sys.stdout), _Output(sys.stderr)


def announce(text: str) -> None:
    """Say what takes the next seconds, where somebody is watching."""
    if sys.stdout.isatty():
        print(text, flush=True)


def run_script(main: Callable[[], None]) -> NoReturn:
    """Run a script's `main`; an error becomes one line on stderr and its exit code, with --debug a traceback.

    This is the one place where exceptions become exit codes: each project exception carries its own.
    """
    try:
        main()
    except BrokenPipeError:  # the reader of our output has gone, as in `predict.py ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        code = _exit_code(error)
        if code is None or "--debug" in sys.argv:
            traceback.print_exc()
        else:
            print(f"{Path(sys.argv[0]).name}: {_one_line(error)}", file=sys.stderr)
        sys.exit(1 if code is None else code)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


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
        is_training = Path(sys.argv[0]).name == "train.py"
        return (
            f"out of memory: {'try a smaller --train.batch_size' if is_training else 'close other programs'}"
        )
    if isinstance(error, OSError):
        where = f"cannot use {error.filename}: " if error.filename else ""
        return f"{' '.join(where.split())} {error.strerror}; make room, or give other places".strip()
    return " ".join((network_problem(error) or str(error)).split())
