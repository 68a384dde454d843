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
            timeout_keep_alive=round(limits.head_seconds),
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
    """A connection whose client must be quick with the head of a request and with reading the answer."""

    def __init__(self, limits: Limits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._last_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._last_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():  # and waits for a client that may never read
            self._stop_in(self._limits.head_seconds, self.transport.abort)

    def shutdown(self) -> None:
        """Close an idle connection after a moment, since its next request may be on its way."""
        if self._is_idle and not self.transport.is_closing():
            self._stop_in(FAREWELL, super().shutdown)
        else:
            super().shutdown()

    def _stop_in(self, seconds: float, stop: Callable[[], None]) -> None:
        if self._last_timer is not None:
            self._last_timer.cancel()
        self._last_timer = self.loop.call_later(seconds, stop)

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        """Start the time for the head of a request when its first byte can come, and stop it at its end."""
        if not self._is_idle:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_seconds, self.transport.abort)
