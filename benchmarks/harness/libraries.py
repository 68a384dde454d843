"""The peers' libraries, ready to be measured with a number of threads; each is imported when it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.harness.hardware import as_peer
from learning.machine.kernels import EIGEN, kernels
from models.runtime.tensorflow_import import importing_tensorflow


def tensorflow(threads: int, *, onednn: bool = False) -> Any:
    """Return TensorFlow as installed, with the kernels that it chooses, or with oneDNN on.

    :param threads: 0 leaves the number to it; otherwise nothing in the process may have used TensorFlow yet.
    :param onednn: switches oneDNN on, which has no effect if TensorFlow is imported already.
    :raises RuntimeError: it computes without oneDNN although that was switched on.
    """
    with importing_tensorflow(), as_peer(onednn=onednn):
        import tensorflow as tf

        tf.config.list_physical_devices()
    if onednn and kernels() == EIGEN:
        raise RuntimeError("TensorFlow computes with Eigen's kernels although oneDNN was switched on")
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


@contextmanager
def keras_policy(precision: str) -> Iterator[None]:
    """Set the precision of the Keras layers that are made meanwhile; their variables stay float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def torch(threads: int) -> Any:
    """Return PyTorch; 0 threads leaves the number to it."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    return torch
