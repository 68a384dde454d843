"""The libraries, ready to be measured with so many threads; each is imported when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.harness.hardware import as_peer
from learning.machine.kernels import EIGEN, kernels
from models.tensorflow_import import importing_tensorflow


def project_model(
    name: str,
    precision: str,
    crop_size: int,
    num_classes: int,
    threads: int,
    *,
    mean: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> tuple[Any, Any]:
    """A net of the catalogue with its initial weights, and a session on it, as the scripts open it.

    :param threads: of the session; 0: one per core.
    """
    from learning.machine.session import open_session

    model = _build(name, precision, crop_size, num_classes, mean, options)
    sess = open_session(model, threads)
    sess.run([variable.initializer for variable in model.variables])
    return model, sess


def _build(
    name: str,
    precision: str,
    crop_size: int,
    num_classes: int,
    mean: float,
    options: Mapping[str, Any] | None,
) -> Any:
    from learning.config.run_config import RunConfig
    from learning.training.network import build_model

    config = RunConfig.from_dict({"model": {"name": name, "precision": precision, "options": options or {}}})
    return build_model(config, (crop_size, crop_size, 3), num_classes, mean)


def forward_gflop(
    name: str, crop_size: int, num_classes: int, options: Mapping[str, Any] | None = None
) -> float:
    """10^9 multiplications and additions of the products in a net of the catalogue, for one image forward."""
    from models.summary import layer_rows

    model = _build(name, "float32", crop_size, num_classes, 0.0, options)
    return 2 * sum(row.multiply_adds for row in layer_rows(model)) / 1e9


def project_update(
    optimizer: Any, sess: Any, batches: Iterator[Any], learning_rate: float
) -> Callable[[], int]:
    """The step of learning/training/loop.py; the variables get their initial values here.

    :param batches: images and labels, and perhaps more, of each update.
    :param learning_rate: of every update.
    """
    model = optimizer.model
    sess.run(optimizer.initialize)

    def step() -> int:
        images, labels, *_ = next(batches)
        feed = model.feed(images, labels, is_train=True)
        feed[optimizer.learning_rate_placeholder] = learning_rate
        sess.run([optimizer.optimize, model.loss, model.pred], feed)
        return len(images)

    return step


def tensorflow(threads: int, *, onednn: bool = False) -> Any:
    """TensorFlow as users of its eager side get it, with the kernels that it takes by itself.

    RuntimeError where it computes without oneDNN although it was told to take it.

    :param threads: 0 leaves the number to it; else nothing in the process may have used TensorFlow yet.
    :param onednn: True tells it to take oneDNN's, as the project does; too late where it is imported already.
    """
    with importing_tensorflow(), as_peer(onednn=onednn):
        import tensorflow as tf

        tf.config.list_physical_devices()
    if onednn and kernels() == EIGEN:
        raise RuntimeError("TensorFlow computes with Eigen's kernels although it was told to take oneDNN's")
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


@contextmanager
def keras_policy(precision: str) -> Iterator[None]:
    """The precision of the Keras layers that are made meanwhile, float32 or bfloat16; variables stay float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def torch(threads: int) -> Any:
    """PyTorch.

    :param threads: 0 leaves the number to it.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    return torch
