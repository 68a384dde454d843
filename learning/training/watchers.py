"""Call the callbacks of a training run, and hold their errors back until the checkpoint is saved."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from datasets.storage import failures
from learning.callbacks import Callback, Training
from learning.errors import Interrupted

Stopped = Literal["finished", "interrupted", "failed"] | None

logger = logging.getLogger(__name__)


class Watchers:
    """The callbacks of one call of `Optimizer.train`.

    :ivar failure: the first error of a callback, which the loop raises when the state is saved.
    """

    def __init__(self, callbacks: Sequence[Callback], snapshot: Callable[[Stopped], Training]) -> None:
        self.failure: BaseException | None = None
        self._callbacks, self._snapshot = tuple(callbacks), snapshot

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Call `on_start`, and `on_stop` however the block ends."""
        stopped: Stopped = "failed"
        try:
            for callback in self._callbacks:  # an error ends training at once: there is nothing to save
                self._call(callback.on_start, self._snapshot(None))
            yield
            stopped = "finished"
        except BaseException as error:
            stopped = "interrupted" if isinstance(error, Interrupted) else "failed"
            self.failure = error
            raise
        finally:
            self.tell("on_stop", stopped)
        self.raise_failure()

    def tell(self, event: Literal["on_step", "on_epoch", "on_stop"], stopped: Stopped = None) -> None:
        """Call a method of every callback. The first error becomes `failure`; later ones are logged."""
        training = self._snapshot(stopped)
        for callback in self._callbacks:
            try:
                self._call(getattr(callback, event), training)
            except Exception as error:
                if self.failure is None:
                    self.failure = error
                else:
                    logger.warning("%s.%s failed too: %s", type(callback).__name__, event, error)

    def raise_failure(self) -> None:
        """Raise the first error of a callback, if there is one."""
        if self.failure is not None:
            raise self.failure

    def _call(self, method: Callable[[Training], None], training: Training) -> None:
        with storage_errors(training.save_dir, training.global_step):
            method(training)


def storage_errors(save_dir: Path, saved_step: int) -> contextlib.AbstractContextManager[None]:
    """Raise a failure of storage in the block as StorageError.

    :param saved_step: the update whose checkpoint is saved before the error is raised; 0 for none.
    """
    saved = f"the checkpoint of update {saved_step} is saved; make room and resume"
    return failures.storage_errors(
        save_dir, f"cannot write in {save_dir}", saved if saved_step else "make room"
    )


class EpochClock:
    """Measures the current epoch."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.start()

    def start(self) -> None:
        """Begin an epoch, or the rest of one."""
        self._start = self._last_step = time.perf_counter()
        self._num_steps = 0

    def count_step(self) -> None:
        """Note that an update is done."""
        self._num_steps += 1
        self._last_step = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Return the seconds since the epoch began."""
        return time.perf_counter() - self._start

    @property
    def images_per_second(self) -> float:
        """Return the speed of the updates, without what comes after them."""
        return self._num_steps * self._batch_size / max(self._last_step - self._start, 1e-9)
