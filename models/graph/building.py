"""The graph that a network is built in, and what building it adds to the graph's collections."""

import contextlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.eager import context

logger = logging.getLogger(__name__)

# Operations that draw random numbers from their own state, which no checkpoint holds.
_DRAWS = re.compile("(?!Stateless).*(Random|Multinomial|TruncatedNormal)")

LOSSES = (v1.GraphKeys.LOSSES, v1.GraphKeys.REGULARIZATION_LOSSES)
COLLECTIONS = (v1.GraphKeys.GLOBAL_VARIABLES, v1.GraphKeys.UPDATE_OPS, *LOSSES)


def current_graph() -> tf.Graph:
    """Return the graph of the enclosing `with graph.as_default():`, else the default graph.

    Outside of such a block TensorFlow 2 computes eagerly, and TF1 calls such as `tf.train.Saver()` fail. A program
    that has computed nothing eagerly so far is a TF1 program, so eager execution is switched off for it, as
    `tf.compat.v1.disable_eager_execution()` does; in any other program it stays on.
    """
    if tf.executing_eagerly() and not _has_computed_eagerly():
        v1.disable_eager_execution()
        logger.info("eager execution is switched off, because a network was built in the default graph")
    return v1.get_default_graph()


def _has_computed_eagerly() -> bool:
    """Return whether TensorFlow's eager runtime has been started; there is no public way to ask."""
    started = context.context_safe()
    return started is not None and started._context_handle is not None


def global_step() -> tf.Variable:
    """Return the graph's global step, which all of its networks share; create it if there is none.

    It is created as a resource variable in any mode: every prediction would read a reference variable, even if only
    the weights were restored.
    """
    with v1.variable_scope(v1.get_variable_scope(), use_resource=True, auxiliary_name_scope=False):
        return v1.train.get_or_create_global_step()


def constant_variable(name: str, value: np.ndarray) -> tf.Variable:
    """Create a float32 variable that is saved but not trained, starting at `value`."""
    initial = tf.constant(value, tf.float32)
    return v1.get_variable(name, initializer=initial, trainable=False, use_resource=True)


@contextlib.contextmanager
def seeded(graph: tf.Graph, seed: int) -> Iterator[None]:
    """Set the seed of `graph` inside the block, and its old one afterwards: the graph may be a whole program's."""
    before, graph.seed = graph.seed, seed
    try:
        yield
    finally:
        graph.seed = before


class AddedItems:
    """The items that are added to the collections of the current graph after this object was made."""

    def __init__(self) -> None:
        self._known = {name: {id(item) for item in v1.get_collection(name)} for name in COLLECTIONS}

    def of(self, *names: str) -> list[Any]:
        """Return the new items of these collections, each once."""
        items = {id(item): item for name in names for item in v1.get_collection(name)}
        known = set().union(*(self._known[name] for name in names))
        return [item for key, item in items.items() if key not in known]


def operations_behind(tensor: tf.Tensor, given: tf.Tensor | None = None) -> list[tf.Operation]:
    """Return the operations that `tensor` is computed from, including its own.

    :param given: a tensor that is known, so that what it is computed from does not count.
    """
    found, waiting = dict[str, tf.Operation](), [tensor.op]
    if given is not None:
        found[given.op.name] = given.op
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found[op.name] = op
            waiting += [source.op for source in op.inputs]
    return list(found.values())


def names_behind(tensors: Mapping[str, tf.Tensor], source: tf.Tensor) -> list[str]:
    """Return the names of those tensors that are computed from `source`, in the order of the graph."""
    order = {op.name: number for number, op in enumerate(source.graph.get_operations())}
    found = [name for name, tensor in tensors.items() if source.op in operations_behind(tensor)]
    return sorted(found, key=lambda name: order[tensors[name].op.name])


def not_contained(tensors: Iterable[tf.Tensor], total: tf.Tensor) -> list[tf.Tensor]:
    """Return those of `tensors` that `total` is not computed from."""
    names = {op.name for op in operations_behind(total)}
    return [tensor for tensor in tensors if tensor.op.name not in names]


def variables_behind(*tensors: tf.Tensor) -> list[tf.Variable]:
    """Return the variables of the graph that these tensors are computed from, in order of creation."""
    names = {op.name for tensor in tensors for op in operations_behind(tensor)}
    return [variable for variable in v1.global_variables() if variable.op.name in names]


def random_operations(
    graph: tf.Graph, operations: Iterable[tf.Operation], skipped: str | None = None
) -> list[str]:
    """Return the names of the operations that draw random numbers, also inside the functions that they call.

    :param skipped: the attribute of the operations whose function is never called.
    """
    operations = list(operations)
    names = [op.name for op in operations if _DRAWS.match(op.type)]
    called = [name for op in operations for name in _functions_of(op.node_def, skipped)]
    return names + [
        f"{function}/{node.name}" for function, node in _nodes(graph, called) if _DRAWS.match(node.op)
    ]


def descriptions(graph: tf.Graph, operations: Iterable[tf.Operation]) -> Iterator[str]:
    """Yield what each operation computes: its type, name, inputs and attributes, and those of called functions.

    The same code gives the same texts in another graph or process.
    """
    nodes = [op.node_def for op in operations]
    called = [name for node in nodes for name in _functions_of(node)]
    for node in [*nodes, *(node for _, node in _nodes(graph, called))]:
        # The names of functions and of gradients count those of the process. The nodes of functions follow instead.
        attributes = {
            name: value.SerializeToString(deterministic=True)
            for name, value in sorted(node.attr.items())
            if not (value.HasField("func") or value.list.func or name == "_gradient_op_type")
        }
        yield repr((node.op, node.name, list(node.input), attributes))


def _nodes(graph: tf.Graph, functions: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the nodes of these functions and of all that they call, each with its function's name."""
    if not functions:  # then the whole graph need not be converted
        return
    bodies = {body.signature.name: body for body in graph.as_graph_def().library.function}
    seen, waiting = set[str](), list(functions)
    while waiting:
        name = waiting.pop()
        if name in bodies and name not in seen:
            seen.add(name)
            for node in bodies[name].node_def:
                yield name, node
                waiting += _functions_of(node)


def _functions_of(node: Any, skipped: str | None = None) -> list[str]:
    """Return the functions that a node calls, such as the branches of a condition, by the names of attributes."""
    # Protocol buffers keep no order of a map: that of equal nodes may differ, even in one process.
    values = [value for name, value in sorted(node.attr.items()) if name != skipped]
    called = [value.func for value in values if value.HasField("func")]
    return [function.name for function in [*called, *(f for value in values for f in value.list.func)]]
