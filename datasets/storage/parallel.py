"""Work in several threads at once, with the results in the order of the tasks.

`Executor.map` takes all tasks at once, and joblib's generators do not wait for their reader: both keep in memory
what nobody has asked for yet.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_AHEAD = 3  # tasks per thread that may wait to be taken, which bounds the memory

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int | None = None
) -> Iterator[Result]:
    """Yield the results of `map` from several threads, which suits decoding: Pillow releases the interpreter.

    An error of `work` is raised in its place; no thread runs any longer once the iterator has ended.

    :param workers: threads; None: one per processor that this process may use.
    """
    workers = workers or _num_processors()
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


def _num_processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
