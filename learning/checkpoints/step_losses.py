"""Store the loss of every update in one growing file, so that checkpoints need not repeat them."""

import dataclasses
import logging
import math
import os
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasets.storage.atomic import fsync_path
from learning.checkpoints.state import TrainingState
from learning.errors import StorageError

logger = logging.getLogger(__name__)

_DTYPE = np.dtype("<f8")  # of a loss


class LossFile:
    """The losses of all completed epochs in order, in a file beside the checkpoints.

    A checkpoint records how many of them it needs, and their checksum. Losses after these belong to later updates,
    and are overwritten when the updates are repeated.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count, self._checksum = 0, 0  # of the losses that are known to be in the file

    def put(self, state: TrainingState) -> TrainingState:
        """Write the losses of the completed epochs to the disk, and return the state without them.

        :raises OSError: they cannot be written; earlier losses are unchanged.
        """
        count = state.num_steps_of_epochs
        if count == 0 or len(state.step_losses) != state.global_step:
            return state
        self._write(state.step_losses[:count])
        earlier = {"count": self._count, "crc32": self._checksum}
        return dataclasses.replace(state, step_losses=state.step_losses[count:], earlier_losses=earlier)

    def fetch(self, state: TrainingState) -> None:
        """Restore all losses in the state of a checkpoint; NaN, with a warning, for losses that are gone.

        A damaged file is kept as `.damaged-NAME`; only the process that holds the directory may call this.

        :raises StorageError: the file cannot be read, which says nothing about its content.
        """
        if not state.earlier_losses:
            return
        try:
            losses = self._read(**state.earlier_losses)
            if losses is None and os.path.lexists(self.path):
                self.path.replace(self.path.with_name(f".damaged-{self.path.name}"))
        except OSError as error:
            raise StorageError(
                f"cannot read {self.path}: {error.strerror}; nothing is known to be damaged; see that it can be "
                "read, and resume again"
            ) from error
        if losses is None:
            losses = [math.nan] * state.earlier_losses["count"]
            logger.warning(
                "%s is missing or damaged: the losses of updates 1 to %d are lost; the run goes on without them, "
                "to the same weights and scores",
                self.path, len(losses),
            )  # fmt: skip
        state.step_losses, state.earlier_losses = losses + state.step_losses, {}

    def _write(self, losses: Sequence[float]) -> None:
        """Append the losses that are not in the file yet."""
        size = self._size()
        if size is None:
            self.path.unlink(missing_ok=True)  # the losses must not be written through a link
        if size is None or size < self._count * _DTYPE.itemsize:
            self._count, self._checksum = 0, 0
        data = np.asarray(losses[self._count :], _DTYPE).tobytes()
        if not data:
            return
        with self.path.open("xb" if size is None else "r+b") as file:
            file.seek(self._count * _DTYPE.itemsize)
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        if size is None:
            fsync_path(self.path.parent)
        self._count, self._checksum = len(losses), zlib.crc32(data, self._checksum)

    def _read(self, count: int, crc32: int) -> list[float] | None:
        """Return the first `count` losses, or None if the file no longer holds them."""
        size = self._size()
        if size is None or size < count * _DTYPE.itemsize:
            return None
        with self.path.open("rb") as file:
            data = file.read(count * _DTYPE.itemsize)
        if len(data) != count * _DTYPE.itemsize or zlib.crc32(data) != crc32:
            return None
        self._count, self._checksum = count, crc32
        return np.frombuffer(data, _DTYPE).tolist()

    def _size(self) -> int | None:
        """Return the size in bytes, or None if it is not a regular file: reading a pipe could wait forever."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None
