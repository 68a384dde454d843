"""Write the page of a run while it trains, so that an interrupted run has one too."""

import logging
import time

from datasets.storage.failures import storage_reason
from learning.callbacks import Callback, Training
from learning.errors import CheckpointError

MAX_SHARE = 0.01  # of the time of training that goes into pages
FIRST_COST = 0.2  # seconds that the first page takes, with its imports; the others take hundredths

logger = logging.getLogger(__name__)


class RunPage(Callback):
    """Writes index.html after each epoch, within a hundredth of the training time.

    If epochs are short, some get no page, and a run of less than 20 seconds gets its first one at the end. An
    interrupted run always gets one; `fit` writes that of a finished run, when it is tested.

    If the page cannot be written, a warning says so once and training goes on.
    """

    def __init__(self) -> None:
        self._spent, self._cost = 0.0, FIRST_COST  # seconds of all pages, and of the last one
        self._warned = False

    def on_start(self, training: Training) -> None:
        self._start = time.perf_counter()

    def on_epoch(self, training: Training) -> None:
        start = time.perf_counter()
        if training.stopped is None and self._spent + self._cost <= MAX_SHARE * (start - self._start):
            self._write(training)
            self._cost = time.perf_counter() - start
            self._spent += self._cost

    def on_stop(self, training: Training) -> None:
        """Write the page of a run that did not finish, if it has an epoch to show."""
        if training.stopped != "finished" and training.history:
            self._write(training)

    def _write(self, training: Training) -> None:
        from learning.reports.run_page import write_run_page

        try:
            write_run_page(training.save_dir)
        except (OSError, CheckpointError) as error:
            if not self._warned:
                is_system = isinstance(error, OSError)
                reason = storage_reason(error, training.save_dir) if is_system else str(error)
                logger.warning("the page of the run cannot be written (%s)", reason)
            self._warned = True
