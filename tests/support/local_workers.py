"""Run the workers of a cluster as threads of this process, each with a server of its own."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from learning.distributed.cluster import ALLOW_OPEN, Cluster
from learning.distributed.workers import Workers


def addresses(count: int) -> tuple[str, ...]:
    """Return addresses of this machine whose ports are free."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)


def run_workers(count: int, work: Callable[[Workers], Any], timeout: float = 300.0) -> list[Any]:
    """Call `work` with each of `count` workers, and return the results, or raise the first error."""
    found: dict[int, Any] = {}
    where = addresses(count)

    def run(index: int) -> None:
        try:
            allowed = os.environ.get(ALLOW_OPEN) == "1"
            cluster = Cluster(addresses=where, index=index, timeout=timeout, allow_open=allowed)
            workers = Workers(cluster, threads=1)
            with workers.together():
                found[index] = work(workers)
        except BaseException as error:
            found[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found.values():
        if isinstance(result, BaseException):
            raise result
    return [found[index] for index in range(count)]
