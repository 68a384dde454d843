"""Descriptions of operations, by which computed features are known."""

from types import SimpleNamespace

import tensorflow as tf

from models.graph.building import descriptions, random_operations


def in_order(op, order):
    """The operation with its attributes in an order; protocol buffers promise none."""
    node = op.node_def
    attributes = {name: node.attr[name] for name in order(node.attr)}
    node = SimpleNamespace(op=node.op, name=node.name, input=node.input, attr=attributes)
    return SimpleNamespace(type=op.type, name=op.name, node_def=node)


def test_the_order_of_attributes_changes_nothing():
    with tf.Graph().as_default() as graph:
        x = tf.ones([2])
        tf.cond(x[0] > 0.5, lambda: x + tf.random.normal([2]), lambda: x * tf.random.uniform([2]))
    condition = next(op for op in graph.get_operations() if op.type in ("If", "StatelessIf"))
    ascending = in_order(condition, sorted)
    descending = in_order(condition, lambda names: sorted(names, reverse=True))
    assert list(descriptions(graph, [ascending])) == list(descriptions(graph, [descending]))
    assert len(random_operations(graph, [ascending])) == 2
    assert random_operations(graph, [ascending]) == random_operations(graph, [descending])
