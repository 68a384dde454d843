"""Sums over workers: buckets of small tensors, pieces of large ones."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from learning.distributed.reduction import Reduction, buckets
from tests.support.local_workers import run_workers


def test_small_tensors_travel_together_and_large_ones_alone():
    with tf.Graph().as_default():
        small, large = tf.zeros([2]), tf.zeros([5])
        other = tf.zeros([1], tf.float64)
        found = buckets([small, small, large, small, other, small], most=16)
    assert [[tensor.dtype.size * tensor.shape.num_elements() for tensor in each] for each in found] == [
        [8, 8],
        [20],
        [8],
        [8],
        [8],
    ]


@pytest.mark.usefixtures("closed_network")
def test_pieces_of_a_large_tensor_are_put_together_again():
    values = np.arange(35, dtype=np.float32).reshape(5, 7)

    def summed(workers):
        with tf.Graph().as_default() as graph:
            own = tf.constant(values) * (workers.index + 1.0)
            sums = Reduction(2, bucket_bytes=48).sum_all([own, own[0], own[1, :5]])
        count = len([op for op in graph.get_operations() if op.type == "CollectiveReduceV2"])
        model = SimpleNamespace(graph=graph, options={"precision": "float32"})
        with workers.open_session(model, 1) as sess:
            return count, sess.run(sums, options=workers.run_options)

    for count, sums in run_workers(2, summed):
        assert count == 3 + 1  # 12, 12 and 11 numbers; 7 and 5 together
        for found, expected in zip(sums, [values, values[0], values[1, :5]], strict=True):
            np.testing.assert_array_equal(found, 3 * expected)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not list threads")
@pytest.mark.usefixtures("closed_network")
def test_a_long_training_needs_no_more_threads_than_a_short_one():
    """The timeout of TensorFlow's sums keeps two threads for each until it is over, thousands in a training."""

    def threads_of(workers):
        with tf.Graph().as_default() as graph:
            total = Reduction(2).sum(tf.constant([workers.index + 1.0]))
        model = SimpleNamespace(graph=graph, options={"precision": "float32"})
        with workers.open_session(model, 1) as sess:
            counts = []
            for _ in range(2):
                for _ in range(100):
                    assert sess.run(total, options=workers.run_options) == [3]
                counts.append(len(list(Path("/proc/self/task").iterdir())))
        return counts

    for before, after in run_workers(2, threads_of):
        assert after < before + 100  # with that timeout there are 400 more
