"""One try of fetching the rest of an official file over https, checked while it comes."""

import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

from datasets.download.known_files import OfficialFile
from datasets.errors import DataError, escape_name

TIMEOUT = 30  # seconds without a connection or a byte
MIN_RATE = 1000  # bytes a second that are worth waiting for,
WINDOW = 60  # over so many seconds
_CHUNK = 2**18


class CutError(DataError):
    """The transfer began and did not come to its end: another try may well go on."""


def try_transfer(file: OfficialFile, stream: IO[bytes]) -> None:
    """Appends what is missing of the file.

    :raises CutError: the transfer began and did not come to its end.
    :raises DataError: the server cannot be reached, hardly sends anything, leaves https or sends something else.
    """
    if os.fstat(stream.fileno()).st_size > file.size:
        stream.truncate(0)
    done = os.fstat(stream.fileno()).st_size
    if done == file.size:
        return
    from pooch import HTTPDownloader  # slow to import
    from requests import HTTPError, RequestException

    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
    with _Sink(file, stream, done) as sink:
        download = HTTPDownloader(
            chunk_size=_CHUNK, timeout=TIMEOUT, headers=headers, hooks={"response": sink.check}
        )
        try:
            download(file.url, sink, None)
        except RequestException as error:
            is_cut = sink.has_begun and not isinstance(error, HTTPError)
            raise (CutError if is_cut else DataError)(
                f"{file.url} cannot be downloaded ({' '.join(str(error).split())}); what came is kept, try again"
            ) from error
    if sink.done != file.size:
        raise CutError(
            f"{file.url} ended after {sink.done} of {file.size} bytes; what came is kept, try again"
        )


class _Sink:
    """Where the bytes of a download go: counted, never more than there should be, shown by a bar.

    :param done: bytes that are in the stream already.
    """

    def __init__(self, file: OfficialFile, stream: IO[bytes], done: int) -> None:
        self._file, self._stream, self.done = file, stream, done
        self._response: Any = None
        self._bar: Any = None
        self._window = time.monotonic(), done  # when it began, and the bytes that there were

    @property
    def has_begun(self) -> bool:
        """Whether the server answered."""
        return self._response is not None

    def __enter__(self) -> "_Sink":
        if getattr(sys.stdout, "isatty", bool)():  # a program's own stream need not say
            from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

            columns = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn()
            self._bar = Progress(*columns, transient=True)
            self._task = self._bar.add_task(self._file.name, total=self._file.size)
            self._bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._response is not None:
            self._response.close()

    def check(self, response: Any, **options: Any) -> None:
        """Called with the head of every answer, redirects among them, before anything more is asked for."""
        self._response = response
        response.raw.headers.pop("content-encoding", None)  # an archive is not to be unpacked on its way
        response.raw.stream = partial(_pieces, response.raw)
        shown = escape_name(response.url)
        if response.is_redirect:
            from requests.compat import urljoin

            target = urljoin(response.url, response.headers["location"])
            if not target.lower().startswith("https://"):
                raise DataError(
                    f"{shown} redirects to {escape_name(target)}, which is not https; nothing was fetched"
                )
        elif response.status_code == 206:
            self._check_range(response.headers.get("content-range", ""), shown)
        elif response.status_code == 200:
            self._check_length(response.headers.get("content-length"), shown)
            self._start_again()  # for this server does not resume

    def _check_range(self, text: str, shown: str) -> None:
        expected = f"bytes {self.done}-{self._file.size - 1}/{self._file.size}"
        if text != expected:
            self._start_again()
            raise DataError(f"{shown} goes on with '{escape_name(text)}', not with '{expected}'; try again")

    def _check_length(self, length: str | None, shown: str) -> None:
        if length is not None and length != str(self._file.size):
            raise DataError(
                f"{shown} announces {escape_name(length)} bytes, not the {self._file.size} of the official file; "
                "try again, or fetch it by hand"
            )

    def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        self.done += len(chunk)
        if self.done > self._file.size:
            self._start_again()
            raise DataError(
                f"{self._file.url} sends more than the {self._file.size} bytes of the official file; try again, or "
                "fetch it by hand"
            )
        self._stream.write(chunk)
        self._check_rate()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)

    def _check_rate(self) -> None:
        """Gives up on a server that keeps the connection alive and hardly sends anything."""
        start, done = self._window
        now = time.monotonic()
        if now - start < WINDOW:
            return
        rate = (self.done - done) / (now - start)
        if rate < MIN_RATE:
            raise DataError(
                f"{self._file.url} sends {rate:.0f} bytes a second; the {self.done} of {self._file.size} bytes "
                "that came are kept, and the next try goes on from there"
            )
        self._window = now, self.done

    def _start_again(self) -> None:
        self.done = 0
        self._stream.truncate(0)

    def flush(self) -> None:
        self._stream.flush()


def _pieces(raw: Any, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
    """The bytes of an answer as they come; to wait for `amount` of them would be to wait for a slow server."""
    while piece := raw.read1(amount):
        yield piece
