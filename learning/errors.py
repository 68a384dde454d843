"""One exception per kind of trouble, each with the exit code of the scripts.

Codes: 0 done, 2 usage, 3 data (`datasets.errors`), 4 checkpoint, configuration, or a user's own network that fails
when it runs (`learning.terminal.command`), 5 non-finite numbers, 6 storage or memory, 7 directory in use, 8 another
worker of the run, 9 a refused export, 128 + signal number. A message says what is wrong, where, and what to do.
"""

from datasets.errors import DataError, StorageError, UsageError

__all__ = [
    "CheckpointError",
    "ClusterError",
    "DataError",
    "DirectoryInUseError",
    "ExportError",
    "Interrupted",
    "NonFiniteError",
    "StorageError",
    "UsageError",
]


class CheckpointError(Exception):
    """A checkpoint or a run's configuration is missing, damaged or belongs to something else."""

    exit_code = 4


class NonFiniteError(Exception):
    """The loss or a variable is NaN or Inf."""

    exit_code = 5


class DirectoryInUseError(Exception):
    """A directory already holds a run, or another process trains in it."""

    exit_code = 7


class ClusterError(Exception):
    """A worker is lost or does not answer, cannot listen at its address, or trains something else."""

    exit_code = 8


class Interrupted(Exception):
    """A signal stopped training, which has saved its state.

    :param message: what happened and how to continue; "" if another process of the run says it.
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class ExportError(Exception):
    """An exported network cannot be used, or does not answer as its run does."""

    exit_code = 9
