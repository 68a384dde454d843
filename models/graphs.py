"""The graph that a network is built in, and what building it adds to the graph's collections."""

import logging
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.eager import context

logger = logging.getLogger(__name__)

LOSSES = (v1.GraphKeys.LOSSES, v1.GraphKeys.REGULARIZATION_LOSSES)
COLLECTIONS = (
    v1.GraphKeys.GLOBAL_VARIABLES,
    v1.GraphKeys.TRAINABLE_VARIABLES,
    v1.GraphKeys.UPDATE_OPS,
    *LOSSES,
)


def current_graph() -> tf.Graph:
    """Return the current graph: that of the enclosing `with graph.as_default():`, else the default graph.

    Outside of any such block TensorFlow 2 computes eagerly, and calls of TF1 such as `tf.train.Saver()` fail. A
    program that has computed nothing eagerly until then is a TF1 program, so eager execution is switched off for
    it, as `tf.compat.v1.disable_eager_execution()` does. In a program that has, it stays.
    """
    if tf.executing_eagerly() and not _has_computed_eagerly():
        v1.disable_eager_execution()
        logger.info("eager execution is switched off, because a network was built in the default graph")
    return v1.get_default_graph()


def _has_computed_eagerly() -> bool:
    """Whether TensorFlow's eager runtime has been started; there is no public way to ask."""
    started = context.context_safe()
    return started is not None and started._context_handle is not None


def global_step() -> tf.Variable:
    """Return the graph's global step, which is made where there is none: an int64 resource variable in any mode.

    A reference variable would be read by every prediction, also where only the weights were restored.
    """
    with v1.variable_scope(v1.get_variable_scope(), use_resource=True):
        return v1.train.get_or_create_global_step()


class AddedItems:
    """What is added to the collections of the current graph from now on."""

    def __init__(self) -> None:
        self._known = {name: {id(item) for item in v1.get_collection(name)} for name in COLLECTIONS}

    def of(self, *names: str) -> list[Any]:
        """Return the new items of these collections, each once."""
        items = {id(item): item for name in names for item in v1.get_collection(name)}
        known = set().union(*(self._known[name] for name in names))
        return [item for key, item in items.items() if key not in known]


def operations_behind(tensor: tf.Tensor) -> list[tf.Operation]:
    """Return the operations that `tensor` is computed from, its own among them."""
    found, waiting = dict[str, tf.Operation](), [tensor.op]
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found[op.name] = op
            waiting += [source.op for source in op.inputs]
    return list(found.values())


def not_contained(tensors: Iterable[tf.Tensor], total: tf.Tensor) -> list[tf.Tensor]:
    """Return those of `tensors` that `total` is not computed from."""
    names = {op.name for op in operations_behind(total)}
    return [tensor for tensor in tensors if tensor.op.name not in names]
