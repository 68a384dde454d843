"""Keep failures of standard output from losing results."""

import io
import os
import select
import sys
from typing import Any

from learning.errors import StorageError

NAMES = {"stdout": "standard output", "stderr": "standard error"}


class OutputError(StorageError):
    """Standard output cannot be written, and what goes there is the result."""


class _Descriptor(io.RawIOBase):
    """The file descriptor under a text stream. After its first failure it takes everything and writes nothing.

    :ivar failure: that failure, None before.
    :ivar is_needed: a failure is raised: BrokenPipeError where the reader has left, else OutputError.
    """

    def __init__(self, descriptor: int, name: str, *, is_needed: bool) -> None:
        self.name, self.is_needed = name, is_needed
        self.failure: OSError | None = None
        self._descriptor = descriptor
        self._was_terminal = os.isatty(descriptor)

    def fileno(self) -> int:
        """Of the process."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a terminal shows it."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write some of `data`; waits where the descriptor would not, as of a pipe in non-blocking mode."""
        while self.failure is None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failure = error
                if self.is_needed and self.reader_left:
                    raise BrokenPipeError from error
                if self.is_needed:
                    raise OutputError(
                        f"{NAMES[self.name]} cannot be written: {error.strerror}; send it elsewhere"
                    ) from error
        return len(data)

    @property
    def reader_left(self) -> bool:
        """Whether somebody chose not to read on: `| head` ended, a terminal was closed."""
        return isinstance(self.failure, ConnectionError) or (self.failure is not None and self._was_terminal)


_guarded: list[_Descriptor] = []  # those of the script that runs


def guard_output() -> None:
    """Let standard output and standard error survive what they cannot encode or write.

    A letter that the encoding lacks is escaped, and so is a byte of a file name that is no text. Where a stream
    was closed before the process began, its descriptor is opened on nothing, or the next file would get it.
    """
    _guarded.clear()
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        _open_if_closed(descriptor)
        if name in NAMES:
            setattr(sys, name, _guarded_stream(getattr(sys, name), name))


def outlive_reader() -> None:
    """Let the work go on when its output can be written no more: what counts is in files."""
    for descriptor in _guarded:
        descriptor.is_needed = False


def is_watched() -> bool:
    """Whether somebody sees standard output as it is written."""
    try:
        return sys.stdout is not None and sys.stdout.isatty()
    except (AttributeError, ValueError):  # it is a program's own, or was closed
        return False


def lost_output() -> str | None:
    """Why some output was lost, None where all was written or its reader chose to leave."""
    for descriptor in _guarded:
        if descriptor.failure is not None and not descriptor.reader_left:
            return f"{NAMES[descriptor.name]}: {descriptor.failure.strerror}"
    return None


def _open_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _guarded_stream(stream: Any, name: str) -> Any:
    """A stream that writes where `stream` does; `stream` itself where it has no file descriptor."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper):  # of a notebook, say
        return stream
    stream.reconfigure(errors="backslashreplace")
    try:
        stream.flush()
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    if sys.platform == "win32":  # its console is written to in a way of its own
        return stream
    raw = _Descriptor(descriptor, name, is_needed=name == "stdout")
    _guarded.append(raw)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )
