"""Train a tiny net, alone or as one of several workers."""

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.distributed.alone import ALONE
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS
from models.graph.batch_share import put_batch_share
from models.layers import conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet
from tests.conftest import make_set

IMAGES = 48
HP = {"num_epochs": 3, "init_learning_rate": 0.05, "augment_pred": False}


class NoNorm(ConvNet):
    """A net whose loss for an image does not depend on the others in the batch."""

    def _build_model(self, dropout_prob=0.0):
        with v1.variable_scope("conv1"):
            x = tf.nn.relu(conv_layer(self.inputs, 3, 2, 4, weights_stddev=None))
        with v1.variable_scope("fc"):
            x = dropout(global_average_pool(x), dropout_prob, self.is_train)
            return {"logits": fc_layer(x, self.num_classes, weights_stddev=0.1, biases_value=0.0)}


def trained(
    folder,
    workers=ALONE,
    *,
    net=NoNorm,
    kind=OPTIMIZERS["momentum"],
    precision="float32",
    resume=False,
    callbacks=(),
    **hp,
):
    """Train a tiny net; returns losses and scores, and the variables."""
    hp = {"batch_size": 12, **HP, **hp}
    with tf.Graph().as_default():
        if share := workers.divide(hp["batch_size"], sync_batch_norm=hp.get("sync_batch_norm", False)):
            put_batch_share(share)
        model = net((10, 10, 3), 2, precision=precision, dropout_prob=0.3, weight_decay=0.001)
    train_set, val_set = make_set(IMAGES), make_set(21, seed=1)
    optimizer = kind(model, train_set, AccuracyEvaluator(), val_set, workers=workers, **hp)
    with workers.open_session(model, 1) as sess:
        results = optimizer.train(
            sess, folder, details=True, verbose=False, resume=resume, callbacks=callbacks
        )
        values = sess.run(optimizer.saved_variables)
    return results, dict(zip([v.op.name for v in optimizer.saved_variables], values, strict=True))


def largest_difference(found, expected):
    """Return how far any of the named numbers and arrays is from the expected one."""
    assert found.keys() == expected.keys()
    return max(float(np.abs(np.subtract(found[name], expected[name])).max()) for name in expected)
