"""Copy a part of a graph, into the same graph, with `is_train` false: only what depends on it is copied."""

import graphlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.building import random_operations

SWITCHES = frozenset({"Switch", "RefSwitch"})
# Stateful only because they may read a variable; their functions are searched for anything else.
CALLS = frozenset({"If", "While", "StatefulPartitionedCall"})
LOOPS = frozenset({"Enter", "RefEnter", "Exit", "RefExit", "NextIteration", "RefNextIteration", "LoopCond"})


class Unsupported(Exception):
    """The prediction graph has an operation whose copy would behave differently."""


class GraphCopy:
    """Replacements of the tensors that depend on `is_train`; all others stay as they are.

    A conditional of TensorFlow 1 has Switch and Merge operations around both branches: it is resolved here, and the
    branch for training is not copied. In TensorFlow 2 it is a single operation, which the runtime resolves.
    """

    def __init__(self, is_train: tf.Tensor) -> None:
        self._false = tf.constant(False, name="is_train")
        self._tensors: dict[str, tf.Tensor | None] = {is_train.name: self._false}  # None: never computed
        self._ops: dict[tf.Operation, tf.Operation | None] = {is_train.op: self._false.op}

    def of(self, tensor: tf.Tensor) -> Any:
        """Return the replacement of `tensor`, or `tensor` itself."""
        return self._tensors.get(tensor.name, tensor)

    def add(self, op: tf.Operation) -> None:
        """Copy `op` if it depends on `is_train`. Add the operations that it depends on first.

        :raises Unsupported: it cannot be copied.
        """
        if op in self._ops:
            return
        inputs = [self.of(tensor) for tensor in op.inputs]
        controls = [self._ops.get(control, control) for control in op.control_inputs]
        if op.type == "Identity" and inputs[0] is self._false:
            self.put(op, [self._false])
        elif op.type in SWITCHES and inputs[1] is self._false:
            self.put(op, [inputs[0], None])
        elif op.type == "Merge" and None in inputs:
            live = [number for number, tensor in enumerate(inputs) if tensor is not None]
            self.put(op, [inputs[live[0]], tf.constant(live[0])] if live else [None, None])
        elif None in inputs or None in controls:
            self.put(op, [None] * len(op.outputs))
        elif (inputs, controls) != (list(op.inputs), list(op.control_inputs)):
            self.put(op, self.create(op, inputs, controls).outputs)

    def put(self, op: tf.Operation, outputs: Sequence[tf.Tensor | None]) -> None:
        """Replace the outputs of `op` by `outputs`; None marks one that is never computed."""
        self._tensors |= {old.name: new for old, new in zip(op.outputs, outputs, strict=False)}
        self._ops[op] = next((tensor.op for tensor in outputs if tensor is not None), None)

    def create(
        self, op: tf.Operation, inputs: Sequence[tf.Tensor], controls: Sequence[tf.Operation]
    ) -> tf.Operation:
        """Create an operation like `op` on other inputs."""
        tensors = [*op.inputs, *op.outputs]
        if op.type in LOOPS or any(tensor.dtype != tensor.dtype.base_dtype for tensor in tensors):
            raise Unsupported(f"{op.type} {op.name}")
        if op.op_def.is_stateful and op.type != "ReadVariableOp" and not self._is_harmless_call(op, inputs):
            raise Unsupported(f"{op.type} {op.name}")
        attributes = {name: value for name, value in op.node_def.attr.items() if name != "_class"}
        dtypes = [tensor.dtype for tensor in op.outputs]
        with op.graph.device(op.device), op.graph.control_dependencies(controls):
            copy = op.graph.create_op(
                op.type, inputs, dtypes, name=op.name, attrs=attributes, op_def=op.op_def
            )
        copy._original_op = op  # an error in the copy names the line that made the original
        return copy

    def _is_harmless_call(self, op: tf.Operation, inputs: Sequence[tf.Tensor]) -> bool:
        """Return whether `op` calls functions, none of which draws random numbers from its own state."""
        if op.type not in CALLS:
            return False
        skipped = "then_branch" if op.type == "If" and inputs[0] is self._false else None
        return not random_operations(op.graph, [op], skipped)


def copied_from(source: tf.Tensor, target: tf.Tensor, is_train: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a tensor equal to `source`, and a copy of `target` that is computed from it with `is_train` false.

    The copy can be differentiated in a graph that a session has run already. The original cannot always: in
    TensorFlow 2, the gradient of a condition adds outputs to it, which such a session does not see.

    :param source: a tensor that `target` is computed from.
    :raises Unsupported: an operation between them cannot be copied.
    """
    graph = source.graph
    with graph.as_default(), graph.control_dependencies(None), graph.device(None), v1.name_scope("copied/"):
        copy, start = GraphCopy(is_train), tf.identity(source)
        copy.put(source.op, [start if out.name == source.name else out for out in source.op.outputs])
        for op in _operations_between(source, target):
            copy.add(op)
    return start, copy.of(target)


def _operations_between(source: tf.Tensor, target: tf.Tensor) -> Iterator[tf.Operation]:
    """Yield what `target` is computed from, but not what is behind `source`, each after its own inputs.

    The order of the graph is another: a conditional of TensorFlow 1 creates an operation before its Switch.
    """
    needs, waiting = {source.op: list[tf.Operation]()}, [target.op]
    while waiting:
        op = waiting.pop()
        if op not in needs:
            needs[op] = [tensor.op for tensor in op.inputs] + list(op.control_inputs)
            waiting += needs[op]
    try:
        yield from graphlib.TopologicalSorter(needs).static_order()
    except graphlib.CycleError as error:
        raise Unsupported("a loop") from error
