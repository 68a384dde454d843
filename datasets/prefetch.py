"""Draw batches ahead of the consumer, on one thread."""

import threading
from collections import deque
from typing import Any

import numpy as np

from datasets.augment.sampling import Cursor
from datasets.dataset import DataSet, Labels


class Prefetcher:
    """An endless iterator of training batches, which are cut while the consumer works on earlier ones.

    The thread moves the data set's own cursor, so nothing else may draw from the set while it runs; `close` moves
    the cursor back to the consumer's position. Use it in a `with` statement.

    :param batch_size: images.
    :param depth: largest number of batches that wait.
    :param rows: the part of each batch that is cut: see `DataSet.next_batch`.
    :raises ValueError: depth is below 1.
    """

    def __init__(
        self,
        dataset: DataSet,
        batch_size: int,
        *,
        shuffle: bool = True,
        augment: bool = True,
        depth: int = 2,
        rows: slice | None = None,
    ) -> None:
        if depth < 1:
            raise ValueError(f"depth is {depth}; give the number of batches to draw ahead, at least 1")
        self._dataset = dataset
        self._draw = lambda: dataset.next_batch(
            batch_size, shuffle=shuffle, augment=augment, is_train=True, rows=rows
        )
        self._depth = depth
        self._cursor = dataset.cursor  # after the last batch that the consumer took
        self._waiting: deque[tuple[np.ndarray, Labels, Cursor]] = deque()
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> "Prefetcher":
        return self

    def __next__(self) -> tuple[np.ndarray, Labels, Cursor]:
        """Wait for the next batch.

        :return: images and labels as `DataSet.next_batch`, and the data set's cursor right after this batch.
        :raises Exception: whatever drawing the batch raised.
        :raises StopIteration: after `close`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._failure or self._closed)
            if self._closed:
                raise StopIteration
            if self._failure is not None and not self._waiting:
                raise self._failure
            images, labels, self._cursor = self._waiting.popleft()
            self._changed.notify_all()
        return images, labels, dict(self._cursor)

    def close(self) -> None:
        """Stop the thread and set the data set's cursor to the end of the last batch taken."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()
        self._dataset.cursor = self._cursor

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._depth)
                if self._closed:
                    return
            try:
                images, labels = self._draw()
            except BaseException as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._waiting.append((images, labels, self._dataset.cursor))
                self._changed.notify_all()
