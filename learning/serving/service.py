"""Label images for many clients at once: decode in a few threads, predict in one."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from datasets.images.decode import ImageError
from learning.serving.batching import Batcher
from learning.serving.classifier import Answer, Classifier, Job
from learning.serving.limits import Budget, Limits, Refused, busy
from models.runtime.cpu import usable_cores

FEWEST_THREADS = 4  # so that some slow images do not hold up the others

Result = TypeVar("Result")
Source = bytes | np.ndarray  # a file, or pixels (H, W, C) uint8


class Service:
    """A classifier with its threads. `label` is called from one event loop."""

    def __init__(self, classifier: Classifier, limits: Limits, batch_size: int) -> None:
        """Start the threads.

        :param batch_size: the most images that are predicted together.
        """
        self.classifier, self.limits = classifier, limits
        self.images = Budget(limits.waiting, f"{limits.waiting} images are waiting already")
        self._pool = ThreadPoolExecutor(max(FEWEST_THREADS, usable_cores()), thread_name_prefix="decode")
        self._batcher = Batcher(classifier.answer, batch_size)

    async def label(
        self, sources: Sequence[Source], *, has_pictures: bool = False
    ) -> list[Answer | ImageError]:
        """Return the answer to each image, or why it cannot be read.

        :raises Refused: there are no images or too many, or too many are waiting.
        """
        most = self.limits.images
        if not 1 <= len(sources) <= most:
            count = len(sources) or "no"
            raise Refused(413 if sources else 400, f"there are {count} images; send 1 to {most} in a request")
        self.images.take(len(sources))
        try:
            found = await asyncio.gather(
                *(self._label(source, has_pictures) for source in sources), return_exceptions=True
            )
        finally:
            self.images.give_back(len(sources))
        return [_known(outcome) for outcome in found]

    async def _label(self, source: Source, has_pictures: bool) -> Answer:
        with self._batcher.expecting():
            image = await self.in_thread(self._prepared, source)
            future = self._batcher.submit(Job(image, has_pictures))
        return await asyncio.wrap_future(future)

    def _prepared(self, source: Source) -> np.ndarray:
        if isinstance(source, bytes):
            return self.classifier.decode(source)
        return self.classifier.resize(source)

    async def in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run `work` in a thread, while the event loop continues, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def close(self) -> None:
        """Answer what is waiting, and end the threads."""
        self._pool.shutdown()
        self._batcher.close()
        self.classifier.close()


def _known(outcome: Answer | BaseException) -> Answer | ImageError:
    """Return an answer or the fault of an image; raise what else went wrong."""
    if isinstance(outcome, MemoryError):
        raise busy("there is not enough memory for this image now") from outcome
    if isinstance(outcome, BaseException) and not isinstance(outcome, ImageError):
        raise outcome
    return outcome
