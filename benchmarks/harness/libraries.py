"""Import the peers' libraries on demand, and set their number of threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.harness.hardware import peer_environment
from learning.machine.kernels import EIGEN, kernels
from models.runtime.tensorflow_import import importing_tensorflow


def tensorflow(threads: int, *, onednn: bool = False) -> Any:
    """Return TensorFlow with the kernels that it chooses by default, or with oneDNN on.

    :param threads: 0 for TensorFlow's default; other numbers require that this process has not used TensorFlow yet.
    :param onednn: whether to switch oneDNN on, which has no effect once TensorFlow is imported.
    :raises RuntimeError: TensorFlow computes without oneDNN although it was switched on.
    """
    with mock.patch.dict(os.environ, peer_environment(onednn=onednn), clear=True), importing_tensorflow():
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
    """Set the precision of Keras layers that are created in this block; their variables stay float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def onnxruntime_session(path: Path, threads: int) -> Any:
    """Return an onnxruntime session for a file; 0 threads for its default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def torch(threads: int) -> Any:
    """Return PyTorch; 0 threads for its default."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    return torch
