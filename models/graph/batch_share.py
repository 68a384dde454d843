"""The part of a batch that a copy of a network computes while other processes compute the rest.

Layers that look at a whole batch ask for it. Dropout draws its mask for all images of the batch and takes its own
rows, so that the copies together drop what one network would drop. Batch norm can use the statistics of the whole
batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
import tensorflow.compat.v1 as v1

COLLECTION = "batch_share"


@dataclass(frozen=True)
class BatchShare:
    """Rows [start, stop) of batches of `size` images.

    :ivar sum: returns the sum of a tensor over all copies, without gradients; None unless batch norm uses it.
    """

    start: int
    stop: int
    size: int
    sum: Callable[[tf.Tensor], tf.Tensor] | None = None

    name = COLLECTION  # a MetaGraphDef needs one for an item of a graph's collections


def put_batch_share(share: BatchShare) -> None:
    """Let the layers that are built in the current graph from now on have a share of each batch."""
    v1.add_to_collection(COLLECTION, share)


def batch_share() -> BatchShare | None:
    """Return the share of the current graph; None where a network computes whole batches."""
    found = v1.get_collection(COLLECTION)
    return found[-1] if found else None
