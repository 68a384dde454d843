"""Check every request before it reaches the application, and bound its size and its time."""

import logging
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from datasets.errors import escape_name
from learning.serving.exchange import Exchange, too_large
from learning.serving.limits import Budget, Limits, Refused

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

logger = logging.getLogger(__name__)


class Guard:
    """An ASGI application around another one.

    It refuses hosts and origins that are not its own, bodies that are too large, and requests that take too long.
    It adds headers that keep browsers from guessing types, from framing the page, and from loading anything else.

    :ivar answered: number of requests with a complete answer.
    :ivar is_draining: the server is being stopped: answers end their connection.
    """

    def __init__(self, app: ASGIApp, limits: Limits, hosts: Collection[str]) -> None:
        """Wrap `app`.

        :param hosts: names that the Host header may have, in lower case; empty: any. A page of another site whose
            name was pointed here (DNS rebinding) sends that name.
        """
        self._app, self._limits, self._hosts = app, limits, frozenset(hosts)
        self._buffered = Budget(limits.buffered_bytes, "too many requests are being read")
        self.answered, self.is_draining = 0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. There is never an exception."""
        exchange = Exchange(receive, send, self._headers, self._limits.request_bytes, self._buffered)
        try:
            self._check(Headers(scope=scope), scope["method"])
            with anyio.fail_after(self._limits.seconds):
                await self._app(scope, exchange.receive, exchange.send)
        except Refused as refused:
            await exchange.refuse(scope, refused)
        except TimeoutError:
            await exchange.refuse(scope, exchange.too_slow(self._limits.seconds))
        except Exception:  # it was answered by the application
            if not exchange.is_disconnected:
                logger.exception("a request of %s failed", escape_name(scope["path"]))
        finally:
            exchange.close()
            self.answered += exchange.is_complete

    def _headers(self) -> Mapping[str, str]:
        return {**HEADERS, "Connection": "close"} if self.is_draining else HEADERS

    def _check(self, headers: Headers, method: str) -> None:
        """Refuse a request by its head."""
        host = headers.get("host", "")
        if self._hosts and _name_of(host) not in self._hosts:
            raise Refused(421, f"this server does not answer to the host name {escape_name(host)!r}")
        origin = headers.get("origin")
        if method not in ("GET", "HEAD") and origin is not None and _address_of(origin) != host:
            raise Refused(403, "requests from pages of other sites are not answered")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.request_bytes:
            raise too_large(self._limits.request_bytes)


def _name_of(host: str) -> str | None:
    """Return the name in a Host header, without its port and the brackets of IPv6; None if it has none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _address_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
