"""One exception per kind of trouble, each with the exit code of the scripts.

Codes: 0 done, 2 usage, 3 data (`datasets.errors`), 4 checkpoint or configuration, which includes a network of the
user's own that fails when it runs (`network_errors`), 5 non-finite numbers, 6 storage or memory, 7 directory in
use, 8 cluster (not yet used), 128 + signal number. A message says what is wrong, where, and what to do.
"""

from datasets.errors import DataError, StorageError, UsageError

__all__ = [
    "CheckpointError",
    "DataError",
    "DirectoryInUseError",
    "Interrupted",
    "NonFiniteError",
    "StorageError",
    "UsageError",
]


class CheckpointError(Exception):
    """A checkpoint or a run's configuration that is missing, damaged or of something else."""

    exit_code = 4


class NonFiniteError(Exception):
    """NaN or Inf in the loss or in a variable."""

    exit_code = 5


class DirectoryInUseError(Exception):
    """A directory that already holds a run, or in which another process trains."""

    exit_code = 7


class Interrupted(Exception):
    """Training was asked to stop by a signal, and has saved its state."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
