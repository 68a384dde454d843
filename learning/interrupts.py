"""Ctrl-C and SIGTERM as a request that the training loop answers at its next boundary."""

import os
import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalGuard:
    """While active, the first SIGINT or SIGTERM sets `received`; a second one ends the process at once.

    Handlers can only be set on the main thread; elsewhere nothing is changed and nothing is received.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "SignalGuard":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)  # every checkpoint is published by a rename: leaving now breaks none
        self.received = number
