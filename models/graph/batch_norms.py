"""Note the batch norms of a graph, which predictions fold into the layers before them."""

from typing import NamedTuple

import tensorflow as tf

COLLECTION = "batch_norms"


class BatchNorm(NamedTuple):
    """One call of `models.layers.batch_norm`: its input and result."""

    x: tf.Tensor
    out: tf.Tensor
    parameters: tuple[tf.Variable, ...]  # gamma, beta, moving mean and moving variance
    epsilon: float  # that the kernel computes with

    @property
    def name(self) -> str:
        """Return the name that a MetaGraphDef needs for an item of a graph's collections."""
        return str(self.out.name)
