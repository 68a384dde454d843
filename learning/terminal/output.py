"""Keep failures of standard output from losing results."""

import io
import os
import select
import sys
from typing import Any

from learning.errors import StorageError

NAMES = {"stdout": "standard output", "stderr": "standard error"}


class _Descriptor(io.FileIO):
    """The file descriptor under a text stream. After its first failure it accepts everything and writes nothing.

    :ivar failure: the first failure, None before.
    :ivar is_needed: raise a failure: BrokenPipeError if the reader has left, else StorageError.
    """

    def __init__(self, descriptor: int, title: str, *, is_needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.title, self.is_needed = title, is_needed
        self.failure: OSError | None = None
        self._was_terminal = self.isatty()

    def write(self, data: Any, /) -> int:
        """Write some of `data`; wait for a pipe in non-blocking mode."""
        while self.failure is None:
            try:
                return os.write(self.fileno(), data)
            except BlockingIOError:
                select.select([], [self.fileno()], [])
            except OSError as error:
                self.failure = error
                if self.is_needed and self.reader_left:
                    raise BrokenPipeError from error
                if self.is_needed:
                    raise StorageError(
                        f"{self.title} cannot be written: {error.strerror}; send it elsewhere"
                    ) from error
        return len(data)

    @property
    def reader_left(self) -> bool:
        """Return whether the reader has left: `| head` ended, or a terminal was closed."""
        return isinstance(self.failure, ConnectionError) or (self.failure is not None and self._was_terminal)


_guarded: list[_Descriptor] = []  # of the running script


def guard_output() -> None:
    """Let standard output and standard error survive what they cannot encode or write.

    Characters that the encoding lacks and undecodable bytes of file names are escaped. The descriptor of a stream
    that was closed before the process began is opened on the null device, or the next file would get it.
    """
    _guarded.clear()
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        _open_if_closed(descriptor)
        if name in NAMES:
            setattr(sys, name, _guarded_stream(getattr(sys, name), name))


def outlive_reader() -> None:
    """Let the work continue when its output can no longer be written; the results are in files."""
    for descriptor in _guarded:
        descriptor.is_needed = False


def is_watched() -> bool:
    """Return whether standard output is a terminal."""
    try:
        return sys.stdout is not None and sys.stdout.isatty()
    except (AttributeError, ValueError):  # a program replaced or closed it
        return False


def lost_output() -> str | None:
    """Return why some output was lost, or None if all was written or its reader has left."""
    for descriptor in _guarded:
        if descriptor.failure is not None and not descriptor.reader_left:
            return f"{descriptor.title}: {descriptor.failure.strerror}"
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
    """Return a stream that writes where `stream` does, or `stream` itself if it has no file descriptor."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper):  # a notebook's, for example
        return stream
    stream.reconfigure(errors="backslashreplace")
    try:
        stream.flush()
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    if sys.platform == "win32":  # its console does not take writes to descriptors
        return stream
    raw = _Descriptor(descriptor, NAMES[name], is_needed=name == "stdout")
    _guarded.append(raw)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )
