"""Compute items in one thread, with all waiting items in one batch."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LINGER = 0.005  # seconds that a batch waits for items that are expected


class Batcher(Generic[Item, Result]):
    """A thread that owns a computation; other threads give it items and get futures.

    While a batch is computed, the next items gather. A batch that is not full waits up to LINGER seconds, but only
    while items are expected: a single client never waits.
    """

    def __init__(self, compute: Callable[[list[Item]], Sequence[Result]], batch_size: int) -> None:
        """Start the thread.

        :param compute: returns one result for each item. Its exception becomes that of each item's future, and the
            thread goes on.
        :param batch_size: the most items of a batch.
        """
        self._compute, self._batch_size = compute, batch_size
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._expected, self._is_closed = 0, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batches")
        self._thread.start()

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Let batches wait for an item that is being prepared inside."""
        self._expect(1)
        try:
            yield
        finally:
            self._expect(-1)

    def _expect(self, change: int) -> None:
        with self._changed:
            self._expected += change
            self._changed.notify()

    def submit(self, item: Item) -> "Future[Result]":
        """Queue an item, and return the future of its result; a cancelled one is not computed."""
        future: Future[Result] = Future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.append((item, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Compute what is queued, and end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            batch = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if batch:
                self._answer(batch)

    def _next_batch(self) -> list[tuple[Item, "Future[Result]"]] | None:
        """Wait for items and return them; None if the batcher is closed and nothing is queued."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            self._changed.wait_for(self._is_complete, LINGER)
            count = min(len(self._waiting), self._batch_size)
            return [self._waiting.popleft() for _ in range(count)] or None

    def _is_complete(self) -> bool:
        return self._is_closed or not self._expected or len(self._waiting) >= self._batch_size

    def _answer(self, batch: list[tuple[Item, "Future[Result]"]]) -> None:
        try:
            results = self._compute([item for item, _ in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), result in answered:
            future.set_result(result)
