"""Try once to fetch the rest of an official file over https, and check it during the transfer."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urljoin

from datasets.download.known_files import OfficialFile
from datasets.errors import DataError, escape_name

TIMEOUT = 30  # seconds without a connection or a byte
MIN_RATE = 1000  # bytes a second, below which a transfer is given up
WINDOW = 60  # seconds over which the rate is measured
_CHUNK = 2**18


class CutError(DataError):
    """The transfer was interrupted; another try may resume it."""


def try_transfer(file: OfficialFile, stream: IO[bytes]) -> None:
    """Append the rest of the file.

    :raises CutError: the transfer was interrupted.
    :raises DataError: the server cannot be reached, is too slow, leaves https or sends something else.
    """
    if os.fstat(stream.fileno()).st_size > file.size:
        stream.truncate(0)
    done = os.fstat(stream.fileno()).st_size
    if done == file.size:
        return
    import requests  # slow to import
    from urllib3.exceptions import HTTPError

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    hooks = {"response": _check_redirect}
    try:
        with requests.get(file.url, headers=headers, hooks=hooks, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            if not _is_resumed(response, file, stream, done) and done:
                stream.truncate(0)
                done = 0
            _append(_pieces(response.raw), file, stream, done)
    except (requests.RequestException, HTTPError) as error:
        is_cut = isinstance(error, HTTPError)  # urllib3's, while the body is read
        raise (CutError if is_cut else DataError)(
            f"{file.url} cannot be downloaded ({' '.join(str(error).split())}); the part that came is kept, try "
            "again"
        ) from error


def _check_redirect(response: Any, **options: Any) -> None:
    """Refuse a redirect that leaves https, without reading its body, which may have any size."""
    if not response.is_redirect:
        return
    response.close()
    target = urljoin(response.url, response.headers["location"])
    if not target.lower().startswith("https://"):
        raise DataError(
            f"{escape_name(response.url)} redirects to {escape_name(target)}, which is not https; nothing was "
            "fetched"
        )


def _is_resumed(response: Any, file: OfficialFile, stream: IO[bytes], done: int) -> bool:
    """Return whether a response starts after the first `done` bytes rather than at the beginning of the file.

    :raises DataError: it is another part of the file (the stream is emptied), or a file of another size.
    """
    shown = escape_name(response.url)
    if response.status_code == 206:
        expected = f"bytes {done}-{file.size - 1}/{file.size}"
        found = response.headers.get("content-range", "")
        if found != expected:
            stream.truncate(0)
            raise DataError(f"{shown} goes on with '{escape_name(found)}', not with '{expected}'; try again")
        return True
    length = response.headers.get("content-length", str(file.size))
    if length != str(file.size):
        raise DataError(
            f"{shown} announces {escape_name(length)} bytes, not the {file.size} of the official file; try again, "
            "or fetch it by hand"
        )
    return False  # the server does not resume


def _pieces(raw: Any) -> Iterator[bytes]:
    """Yield the bytes of a body as they arrive, without waiting for a whole chunk from a slow server."""
    while piece := raw.read1(_CHUNK, decode_content=False):  # keep archives packed
        yield piece


def _append(pieces: Iterator[bytes], file: OfficialFile, stream: IO[bytes], done: int) -> None:
    """Write the pieces after the first `done` bytes, at most up to the size of the file."""
    window = time.monotonic(), done  # its start, and the bytes at that time
    with _bar(file) as show:
        for piece in pieces:
            done += len(piece)
            if done > file.size:
                stream.truncate(0)
                raise DataError(
                    f"{file.url} sends more than the {file.size} bytes of the official file; try again, or fetch "
                    "it by hand"
                )
            stream.write(piece)
            if time.monotonic() - window[0] >= WINDOW:
                _check_rate(file, done, *window)
                window = time.monotonic(), done
            show(done)
    if done != file.size:
        raise CutError(
            f"{file.url} ended after {done} of {file.size} bytes; the part that came is kept, try again"
        )


def _check_rate(file: OfficialFile, done: int, start: float, done_before: int) -> None:
    """Raise DataError if the server keeps the connection alive but is too slow."""
    rate = (done - done_before) / (time.monotonic() - start)
    if rate < MIN_RATE:
        raise DataError(
            f"{file.url} sends {rate:.0f} bytes a second; the {done} of {file.size} bytes that came are kept, and "
            "the next try goes on from there"
        )


@contextmanager
def _bar(file: OfficialFile) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the number of bytes so far in a progress bar, on a terminal."""
    if not getattr(sys.stdout, "isatty", bool)():  # a replaced stream may lack it
        yield lambda done: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn  # slow to import

    columns = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(file.name, total=file.size)
        yield lambda done: bar.update(task, completed=done)
