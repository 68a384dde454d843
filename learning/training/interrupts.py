"""Turn Ctrl-C, SIGTERM and a closed terminal into a request that the training loop answers after the update."""

import os
import signal
import threading
from types import FrameType

SIGHUP = getattr(signal, "SIGHUP", None)  # Windows does not have it
SIGNALS = tuple(number for number in (signal.SIGINT, signal.SIGTERM, SIGHUP) if number is not None)


class SignalGuard:
    """While active, notes the first of SIGNALS in `received`; a second SIGINT or SIGTERM ends the process at once.

    A closed terminal may send SIGHUP twice. Under `nohup`, SIGHUP is ignored and stays ignored.
    Handlers can be set only on the main thread; on another thread, signals are left alone and not noted.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "SignalGuard":
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in SIGNALS if n != SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._handle) for number in heard}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number != SIGHUP:
            os._exit(128 + number)  # checkpoints appear by a rename, so leaving now breaks none
        self.received = self.received or number
