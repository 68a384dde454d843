"""One request and its answer: count incoming bytes, and add headers to the answer."""

from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from learning.serving.limits import MEBI, Budget, Refused, busy


def too_large(limit: int) -> Refused:
    """Return the refusal of a body of more than `limit` bytes."""
    return Refused(413, f"the request is larger than {limit / MEBI:g} MiB; send fewer or smaller images")


class Exchange:
    """The two channels of an ASGI request.

    :ivar is_complete: the whole answer was sent.
    :ivar is_disconnected: the client has left.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        headers: Callable[[], Mapping[str, str]],
        limit: int,
        buffered: Budget,
    ) -> None:
        """Wrap `receive` and `send`.

        :param headers: returns, when the answer begins, the headers that it gets unless it has its own.
        :param limit: bytes of the body.
        :param buffered: from which the bytes are taken until `close`.
        """
        self._receive, self._send, self._headers = receive, send, headers
        self._limit, self._buffered = limit, buffered
        self._taken, self._is_read, self._is_answered = 0, False, False
        self.is_complete = self.is_disconnected = False

    async def receive(self) -> Message:
        """Return the next part of the body.

        :raises Refused: it is too large, or too much is being read.
        """
        message = await self._receive()
        self.is_disconnected |= message["type"] == "http.disconnect"
        self._is_read |= not message.get("more_body", False)
        count = len(message.get("body", b""))
        if self._taken + count > self._limit:
            raise too_large(self._limit)
        self._buffered.take(count)
        self._taken += count
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._is_answered = True
            headers = MutableHeaders(scope=message)
            for name, value in self._headers().items():
                headers.setdefault(name, value)
        await self._send(message)
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        self.is_complete |= is_last and not self.is_disconnected

    async def refuse(self, scope: Scope, refused: Refused) -> None:
        """Answer with a refusal, unless an answer has begun.

        What is still to come of the body is read and dropped by uvicorn: if the connection ended now, the client
        would not see the answer.
        """
        if not self._is_answered:
            answer = JSONResponse(refused.content, refused.status, refused.headers)
            await answer(scope, self._receive, self.send)

    def too_slow(self, seconds: float) -> Refused:
        """Return the refusal of a request that took too long, whoever was slow."""
        if self._is_read:
            return busy(f"no answer within {seconds:g} s")
        return Refused(408, f"the request did not arrive within {seconds:g} s", {"Connection": "close"})

    def close(self) -> None:
        """Give back the bytes of the body."""
        self._buffered.give_back(self._taken)
