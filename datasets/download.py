"""Fetches the official files of data sets.

Only https is spoken, also after a redirect, with certificates checked as `requests` does. A file is written to
NAME.part in the folder where it shall be, which a later try goes on with, and gets its name once its size and its
hash are right. A transfer that is cut or stalls is tried again a few times.
"""

import contextlib
import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from datasets.cache import default_cache_dir
from datasets.errors import DataError, OptionError, StorageError, escape_name
from datasets.official import ASIRRA, CIFAR10_PYTHON, MNIST, OfficialFile, compare, sha256

TIMEOUT = 30  # seconds without a connection or a byte
WAITS = (2, 5, 10)  # seconds before each further try of a transfer that was cut
MIN_RATE = 1000  # bytes a second that are worth waiting for,
WINDOW = 60  # over so many seconds
_CHUNK = 2**18
# What --download fetches for a data set.
DOWNLOADS: dict[str, tuple[OfficialFile, ...]] = {
    "asirra": (ASIRRA,),
    "cifar10": (CIFAR10_PYTHON,),
    "mnist": MNIST,
}

logger = logging.getLogger(__name__)


class _CutError(DataError):
    """The transfer began and did not come to its end: another try may well go on."""


def fetch(name: str, folder: Path | str | None = None) -> Path:
    """Makes sure that the official files of a data set are there, and fetches those that are missing.

    Creates the folder, and in it NAME.part while a file is on its way.

    :param name: a key of DOWNLOADS.
    :param folder: where the files shall be; None: downloads/NAME in `datasets.cache.default_cache_dir`.
    :return: what the loader takes: the file, or the folder of several.
    :raises DataError: a file that is there and is not the official one, which stays as it is; a server that cannot
        be reached, stalls again and again, hardly sends anything, leaves https or sends something else.
    :raises StorageError: the folder cannot be written.
    """
    folder = default_cache_dir() / "downloads" / name if folder is None else Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise OptionError(
            f"'{escape_name(str(folder))}' is a file; give --download a folder to put files into, or leave it out"
        )
    files = DOWNLOADS[name]
    for file in files:
        _ensure(file, folder / file.name)
    return folder / files[0].name if len(files) == 1 else folder


def located(name: str, path: Path | str | None, download: bool) -> Path:
    """Where a loader reads: its path, or what `fetch` has put there.

    :raises OptionError: no path, and nothing to be fetched.
    """
    if download:
        return fetch(name, path)
    if path is None:
        raise OptionError(
            f"data set '{name}' needs the path of its images; give it with --data-dir, or fetch them with "
            "--download"
        )
    return Path(path).expanduser()


def _ensure(file: OfficialFile, target: Path) -> None:
    if target.exists():
        compare(file, target, "move it away, then it is fetched")
        return
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(part) as stream:
            if target.exists():  # another process was faster
                part.unlink(missing_ok=True)
                return
            _transfer(file, stream)
            _verify(file, part)
            os.replace(part, target)
    except OSError as error:
        raise StorageError(
            f"'{escape_name(str(target))}' cannot be written ({error.strerror}); choose another folder with "
            "--data-dir"
        ) from error


@contextlib.contextmanager
def _held(part: Path) -> Iterator[IO[bytes]]:
    """The half-done file, open at its end; one process at a time has it."""
    with open(part, "ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"'{escape_name(str(part))}' is being downloaded by another process; wait for it"
            ) from error
        yield stream


def _transfer(file: OfficialFile, stream: IO[bytes]) -> None:
    """Appends what is missing of the file, in several tries where it has to be."""
    for wait in WAITS:
        try:
            return _try_transfer(file, stream)
        except _CutError as error:
            logger.warning("%s: this is done in %g seconds", error, wait)
            time.sleep(wait)
    _try_transfer(file, stream)


def _try_transfer(file: OfficialFile, stream: IO[bytes]) -> None:
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
            raise (_CutError if is_cut else DataError)(
                f"{file.url} cannot be downloaded ({' '.join(str(error).split())}); what came is kept, try again"
            ) from error
    if sink.done != file.size:
        raise _CutError(
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
        if sys.stdout.isatty():
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
                f"{shown} announces {escape_name(length)} bytes, not the {self._file.size} of the official file"
            )

    def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        self.done += len(chunk)
        if self.done > self._file.size:
            self._start_again()
            raise DataError(
                f"{self._file.url} sends more than the {self._file.size} bytes of the official file"
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


def _verify(file: OfficialFile, part: Path) -> None:
    """The hash of a complete download; a wrong one is no use to go on with."""
    with open(part, "rb") as stream:
        os.fsync(stream.fileno())
    actual = sha256(part)
    if actual != file.sha256:
        part.unlink()
        raise DataError(
            f"{file.url} is not the official file: expected SHA-256 {file.sha256}, got {actual}; what came was "
            "removed, try again"
        )
