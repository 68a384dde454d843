"""Sums over all workers inside the graph, by TensorFlow's collective operations.

Every worker builds the same graph, so the n-th sum is the same on all workers. Runs of a graph with these
operations need `run_options`, which number the runs that the workers make together; runs that a worker makes alone
do not count.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

GROUP = 1  # the key of the group of all workers
BUCKET_BYTES = 4 * 2**20  # see docs/distributed.md for what was measured


def run_options(timeout: float) -> v1.RunOptions:
    """Return the options of a run that all workers make together.

    The operations have a timeout of their own, but then each sum keeps two threads asleep until the timeout has
    passed. Short steps add up to thousands of them, more than the system allows.

    :param timeout: seconds after which the run fails, whether it computes or waits for another worker.
    """
    options = v1.RunOptions(timeout_in_ms=int(timeout * 1000))
    options.experimental.collective_graph_key = 1
    return options


class Reduction:
    """Adds sums over the workers to a graph.

    :param size: number of workers.
    :param share: the part of each batch that this worker computes; the shares of all workers add up to 1.
    :param first_key: of the sums; TensorFlow tells them apart by their keys, in all graphs of a process.
    :param bucket_bytes: of the tensors that travel together.
    """

    def __init__(
        self,
        size: int,
        *,
        share: float = 1.0,
        first_key: int = 1,
        bucket_bytes: int = BUCKET_BYTES,
    ) -> None:
        self.size, self.share = size, share
        self._bucket_bytes = bucket_bytes
        self._keys = itertools.count(first_key)

    def sum(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return the sum of a tensor over the workers: the same bits on all of them."""
        return tf.raw_ops.CollectiveReduceV2(
            input=tensor,
            group_size=self.size,
            group_key=GROUP,
            instance_key=next(self._keys),
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
            communication_hint="auto",  # a ring of connections, or NCCL between GPUs
        )

    def from_first(self, variable: tf.Variable, is_first: bool) -> tf.Operation:
        """Return an op that gives a variable the value that the first worker has."""
        common: dict[str, Any] = {
            "group_size": self.size,
            "group_key": GROUP,
            "instance_key": next(self._keys),
        }
        if is_first:
            return tf.raw_ops.CollectiveBcastSendV2(input=variable.read_value(), **common).op
        dtype = variable.dtype.base_dtype
        value = tf.raw_ops.CollectiveBcastRecvV2(T=dtype, shape=variable.shape, **common)
        value.set_shape(variable.shape)
        return v1.assign(variable, value).op

    def sum_all(self, tensors: Iterable[tf.Tensor]) -> list[tf.Tensor]:
        """Return the sum of each tensor over the workers; the tensors travel in buckets, and large ones in pieces.

        :param tensors: in the order in which they become known, so that the first buckets leave early.
        """
        sums = list[tf.Tensor]()
        for bucket in buckets(list(tensors), self._bucket_bytes):
            sums += self._sum_bucket(bucket)
        return sums

    def _sum_bucket(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        if len(tensors) == 1:
            return [self._sum_pieces(tensors[0])]
        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
        sizes = [tensor.shape.num_elements() for tensor in tensors]
        parts = tf.split(self.sum(flat), sizes)
        return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    def _sum_pieces(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return the sum of a tensor over the workers, which travels in pieces of the size of a bucket.

        One sum of 144 MiB, such as AlexNet has, takes longer than 36 of 4 MiB. Splitting copies nothing.
        """
        size, most = tensor.shape.num_elements(), self._bucket_bytes // tensor.dtype.size
        if size <= most:
            return self.sum(tensor)
        pieces = tf.split(
            tf.reshape(tensor, [-1]), [min(most, size - start) for start in range(0, size, most)]
        )
        return tf.reshape(tf.concat([self.sum(piece) for piece in pieces], axis=0), tensor.shape)


def buckets(tensors: Sequence[tf.Tensor], most: int) -> list[list[tf.Tensor]]:
    """Return the tensors in lists of one dtype, each of `most` bytes at most or of one tensor."""
    found = list[list[tf.Tensor]]()
    size = 0
    for tensor in tensors:
        num_bytes = tensor.shape.num_elements() * tensor.dtype.size
        if found and size + num_bytes <= most and found[-1][0].dtype == tensor.dtype:
            found[-1].append(tensor)
            size += num_bytes
        else:
            found.append([tensor])
            size = num_bytes
    return found
