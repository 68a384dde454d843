"""What a server accepts, and how it refuses the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEBI = 2**20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server.

    :param request_bytes: of the body of one request.
    :param buffered_bytes: of the bodies of all requests that are being read or answered.
    :param images: of one request.
    :param waiting: images of all requests that are not answered yet.
    :param seconds: for one request, from its head to the end of the answer.
    :param head_seconds: for the head of a request, and for reading the last of the answer.
    :param connections: open at a time.
    """

    request_bytes: int = 32 * MEBI
    buffered_bytes: int = 256 * MEBI
    images: int = 32
    waiting: int = 256
    seconds: float = 60.0
    head_seconds: float = 10.0
    connections: int = 500


class Refused(Exception):
    """A request is not answered as asked; the message is the reason, for whoever sent it.

    :ivar status: of HTTP, 4xx or 5xx.
    :ivar headers: of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})

    @property
    def content(self) -> dict[str, Any]:
        """Return the body of the answer, in the form of TensorFlow Serving's errors."""
        return {"error": str(self)}


def busy(what: str) -> Refused:
    """Return the refusal of a request that may be repeated in a second."""
    return Refused(503, f"{what}; try again in a second", {"Retry-After": "1"})


class Budget:
    """A quantity with a limit on how much of it may be in use at a time. Only one thread may use it."""

    def __init__(self, limit: int, what: str) -> None:
        """Start with nothing in use.

        :param what: the reason of a refusal.
        """
        self._limit, self._what, self.used = limit, what, 0

    def take(self, count: int) -> None:
        """Take some of it.

        :raises Refused: there is not so much left; nothing was taken.
        """
        if self.used + count > self._limit:
            raise busy(self._what)
        self.used += count

    def give_back(self, count: int) -> None:
        """Give back what was taken."""
        self.used -= count
