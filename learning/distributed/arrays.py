"""Sums of arrays over all workers, outside of a network's graph."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.distributed.reduction import Reduction, run_options

FIRST_KEY = 10**6  # the sums in the graph of a network have smaller ones


class ArraySums:
    """Sums float64 arrays over the workers, which must ask for the same sums in the same order.

    :param open_session: opens a session with the other workers on a graph.
    :param size: the number of workers.
    """

    def __init__(self, open_session: Callable[[tf.Graph], v1.Session], size: int) -> None:
        self._graph, self._size = tf.Graph(), size
        self._sess = open_session(self._graph)
        self._sums: dict[tuple[int, ...], tuple[tf.Tensor, tf.Tensor]] = {}

    def sum(self, values: np.ndarray, timeout: float) -> np.ndarray:
        """Return the sum of arrays of one shape, float64.

        :param timeout: seconds to wait for the other workers.
        """
        if values.shape not in self._sums:  # TensorFlow keeps the shape of a sum for good
            with self._graph.as_default():
                given = v1.placeholder(tf.float64, values.shape)
                reduction = Reduction(self._size, first_key=FIRST_KEY + len(self._sums))
                self._sums[values.shape] = given, reduction.sum(given)
        given, total = self._sums[values.shape]
        return np.asarray(self._sess.run(total, {given: values}, options=run_options(timeout)))
