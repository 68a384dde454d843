"""A network whose class activation maps can be calculated by hand."""

import numpy as np

from models.layers import global_average_pool
from models.nn import ConvNet
from tests.conftest import tf, v1

WEIGHTS = np.array([[2.0, -1.0], [-1.0, 3.0]], np.float32)  # (channels, classes)


class HandNet(ConvNet):
    """Two channels, x and 1 - x of 2x2 pixels each, and logits by the weights of their means."""

    def _build_model(self):
        x = tf.nn.avg_pool2d(self.inputs, 2, 2, "VALID")
        maps = tf.concat([x, 1 - x], axis=3)
        features = global_average_pool(tf.cast(maps, tf.float32))
        return {"maps": maps, "features": features, "logits": features @ WEIGHTS}


def build(network, shape, **options):
    with tf.Graph().as_default():
        return network(shape, 2, **options)


def started(session, model):
    """A session with initial values, in which the whole graph has run."""
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    sess.run(model.pred, model.feed(np.zeros((1, *model.input_shape), np.uint8)))
    return sess
