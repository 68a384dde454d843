"""Import TensorFlow quietly, with the kernels that are fastest here, and open sessions on it.

The scripts, `fit` and the benchmarks import this module before any other that imports TensorFlow. A program that
imports TensorFlow itself keeps the kernels that TensorFlow chooses.
"""

import os

from learning.machine.kernels import choosing_kernels
from models.runtime.tensorflow_import import importing_tensorflow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings and worse
with importing_tensorflow(), choosing_kernels():
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

    tf.config.list_physical_devices()  # look for a GPU while the complaint about a missing one is suppressed
if tf.config.list_physical_devices("GPU") and os.environ.get("TF_DETERMINISTIC_OPS") != "0":
    tf.config.experimental.enable_op_determinism()  # or no resumed run would have the bits of another

from models.convnet import ConvNet

__all__ = ["open_session", "session_config", "tf", "v1"]


def open_session(model: ConvNet, threads: int = 0) -> v1.Session:
    """Open a session on the model's graph; it takes GPU memory as needed.

    :param threads: 0 for one per core.
    """
    return v1.Session(graph=model.graph, config=session_config(threads))


def session_config(threads: int = 0) -> v1.ConfigProto:
    """Return the options of `open_session`."""
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    config.allow_soft_placement = True
    config.gpu_options.allow_growth = True
    return config
