"""A network whose predictions are known: it tells images apart by their brightness, untrained."""

import numpy as np
import tensorflow as tf

from datasets.dataset import DataSet
from models.nn import ConvNet


class ByBrightness(ConvNet):
    """Predicts class 0 for dark images, 1 for grey and 2 for bright ones; class 3 never."""

    def _build_model(self, sharpness=20.0):
        level = tf.reduce_mean(self.inputs, axis=[1, 2, 3])
        distances = tf.abs(level[:, tf.newaxis] - [0.0, 0.5, 1.0, 9.0])
        return {"logits": -sharpness * distances}


def build(session, **options):
    """Return a session with a ByBrightness of four classes, and the network."""
    with tf.Graph().as_default():
        model = ByBrightness((10, 10, 3), 4, **options)
        sess = session(model)
        sess.run(tf.compat.v1.global_variables_initializer())
    return sess, model


def brightness_set(levels, truth, **options):
    """Return images of the given levels (N,) with classes (N,) of four."""
    images = np.broadcast_to(np.asarray(levels)[:, None, None, None], (len(levels), 12, 12, 3)).astype(
        np.uint8
    )
    return DataSet(images, np.eye(4, dtype=np.uint8)[truth], crop_size=10, **options)


LEVELS = np.array([10, 10, 10, 250, 250, 130, 250, 10])
TRUTH = np.array([0, 0, 1, 2, 2, 1, 0, 0])  # for which the third and the seventh image are wrong


def eight_images(repeats=1, **options):
    """Return images of three classes, of which two are predicted wrongly."""
    return brightness_set(np.tile(LEVELS, repeats), np.tile(TRUTH, repeats), **options)
