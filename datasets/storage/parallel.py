"""Work in several threads and return the results in the order of the tasks.

`Executor.map` and joblib's generators do not wait for the consumer, so all results could be in memory at once.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_AHEAD = 3  # waiting tasks per thread, which bounds the memory

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int | None = None
) -> Iterator[Result]:
    """Yield the results of `map` from several threads. This is fast for Pillow, which releases the GIL.

    An error of `work` is raised in its place. No thread is running when the iterator ends.

    :param workers: threads; None: one per processor that this process may use.
    """
    if not workers:
        affinity = getattr(os, "sched_getaffinity", None)
        workers = len(affinity(0)) if affinity else os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
