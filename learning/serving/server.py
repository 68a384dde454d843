"""Listen on a socket until a signal comes, and leave no request unanswered."""

import asyncio
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from learning.serving.guard import Guard
from learning.serving.limits import Limits

KEEP_ALIVE = 5  # seconds that a connection without a request stays open; shorter than the time for its head
FAREWELL = 1.0  # seconds in which an idle connection may still send a request when the server stops


def answer_requests(guard: Guard, sock: socket.socket, limits: Limits, on_ready: Callable[[], None]) -> None:
    """Answer until SIGINT or SIGTERM; then accept no more connections and finish the requests that have begun.

    :param sock: is bound; it is closed at the end.
    :param on_ready: is called once requests are accepted.
    """
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:  # uvicorn raises the signals again when it has ended
        Server(guard, limits, on_ready).run(sockets=[sock])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(number: int, frame: Any) -> None:
    """Do nothing."""


class Server(uvicorn.Server):
    """A server that says when it is ready, and tells its guard that it is being stopped.

    :ivar should_exit: set it to stop the server, from any thread.
    """

    def __init__(self, guard: Guard, limits: Limits, on_ready: Callable[[], None]) -> None:
        """Configure uvicorn; see `answer_requests`."""
        config = uvicorn.Config(
            guard,
            http=partial(_Connection, limits),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.connections,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=round(limits.seconds + FAREWELL) + 1,
        )
        super().__init__(config)
        self._guard, self._on_ready = guard, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._guard.is_draining = True
        await super().shutdown(sockets)


class _Connection(H11Protocol):
    """A connection that is cut if its client is slow: with the head of a request, or with reading the answer.

    `Guard` bounds the time of a request as a whole, but it cannot end a connection whose client does not read.
    """

    def __init__(self, limits: Limits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _is_idle(self) -> bool:
        """Return whether the head of the next request is to come."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._cut_in(self._limits.head_seconds)

    def data_received(self, data: bytes) -> None:
        was_idle = self._is_idle
        super().data_received(data)
        if was_idle and not self._is_idle:
            self._cut_in(self._limits.seconds + self._limits.head_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # which begins the next request if its head is here already
        self._cut_in(self._limits.head_seconds + (0 if self._is_idle else self._limits.seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection after its request, or after a moment if it is idle: the next may be on its way."""
        if self._is_idle and not self.transport.is_closing():
            self._cut_in(FAREWELL)
        else:
            super().shutdown()

    def _cut_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)
