"""Stand in for `Workers` in a process that trains alone: sum nothing, and add nothing to the graph."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.machine.session import open_session
from models.convnet import ConvNet
from models.graph.batch_share import BatchShare


class Alone:
    """A process that trains alone.

    :ivar index: the number of this worker. size: the number of all.
    :ivar rows: what this worker computes of every batch; None for all of it.
    :ivar is_chief: whether this worker writes the run directory and speaks.
    :ivar run_options: TensorFlow's RunOptions for runs with sums over the workers; None for a process alone.
    """

    index, size, is_chief = 0, 1, True
    run_options: Any = None
    rows: slice | None = None

    def divide(self, batch_size: int, *, sync_batch_norm: bool = False) -> BatchShare | None:
        """Divide the batches among the workers; return this worker's share, None if it has them whole.

        :param sync_batch_norm: let batch norm use the statistics of whole batches.
        :raises UsageError: there are more workers than images in a batch.
        """
        return None

    def open_session(self, model: ConvNet, threads: int) -> v1.Session:
        """Open a session on the graph of a model: see `learning.machine.session.open_session`."""
        return open_session(model, threads)

    def loading(self) -> None:
        """Wait long for the others, which may have images to fetch and to decode."""

    def begin(self) -> None:
        """Wait for the others no longer than the cluster says: the images are loaded, training begins."""

    def part(self) -> None:
        """Wait for the others a last time; from now on every worker may leave."""

    def weight(self) -> tf.Tensor | None:
        """Return the weight of this worker's loss in the loss of the whole batch, float32; None for 1."""
        return None

    def summed(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the sum over the workers of each gradient."""
        return list(gradients)

    def averaged_statistics(self, model: ConvNet) -> list[Any]:
        """Return the ops that update the batch-norm statistics, and leave the same on all workers."""
        return list(model.update_ops)

    def news(self, loss: tf.Tensor, stop: tf.Tensor) -> tf.Tensor | None:
        """Return the loss of the whole batch, and the `stop` of each worker: float32 (1 + workers,).

        :param stop: float32 scalar of this worker.
        """
        return None

    def part_of(self, dataset: Any) -> Any:
        """Return the rows of a set that this worker predicts."""
        return dataset

    def gather(self, rows: np.ndarray, count: int) -> np.ndarray:
        """Return the rows of all workers, (count, ...), given the rows of this worker's share of `count`."""
        return rows

    def from_chief(self, value: Any) -> Any:
        """Return the chief's value, which JSON can hold."""
        return value

    def copy_variables(self, sess: v1.Session, variables: Sequence[tf.Variable]) -> None:
        """Give the variables of all workers the chief's values."""

    def agree_on_values(self, sess: v1.Session, variables: Sequence[tf.Variable]) -> None:
        """Raise ClusterError unless the variables of all workers have the same bits."""

    def stop(self, own: int, told: Sequence[int]) -> int:
        """Return why all workers stop now, or 0: one process alone knows its own reason at once.

        :param told: the reasons that all of them told each other in the last update.
        """
        return own

    def agree(self, what: str, facts: Mapping[str, Any]) -> None:
        """Raise ClusterError, with `what` and the names, unless the facts are the same on all workers."""

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Report the loss of another worker in this block as ClusterError."""
        yield


ALONE = Alone()
