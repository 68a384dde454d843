"""Random operations whose state no checkpoint holds: with them a resumed run cannot be exact."""

import tensorflow as tf

from models.convnet import ConvNet
from models.graphs import operations_behind

# The operations behind tf.random.* and tf.nn.dropout; those of `tf.random.stateless_*` have names of their own.
STATEFUL = frozenset(
    {
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomGamma",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "TruncatedNormal",
    }
)


def hidden_random_operations(model: ConvNet) -> list[str]:
    """Return the names of the random operations that `model.loss` depends on, also inside of `tf.cond`."""
    behind = operations_behind(model.loss)
    names = [op.name for op in behind if op.type in STATEFUL]
    called = {name for op in behind for name in _functions_of(op)}
    if called:
        functions = model.graph.as_graph_def().library.function
        names += [
            f"{function.signature.name}/{node.name}"
            for function in functions
            if function.signature.name in called
            for node in function.node_def
            if node.op in STATEFUL
        ]
    return sorted(names)


def _functions_of(op: tf.Operation) -> list[str]:
    """The functions that an operation calls, such as the branches of a condition."""
    return [value.func.name for value in op.node_def.attr.values() if value.HasField("func")]
