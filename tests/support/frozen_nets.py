"""Small nets of every kind, and a comparison of `predict` with their own graphs.

    python -m tests.support.frozen_nets

compares them after `disable_v2_behavior`: with TensorFlow 1's control flow and, unless a net asks otherwise,
reference variables.
"""

from collections import Counter
from unittest import mock

import numpy as np

from tests.conftest import make_set, tf, v1  # isort: skip

from datasets.augment.windows import corner_center_crop_reflect
from learning.machine.kernels import ONEDNN, kernels
from models import efficientnet
from models.graph.folded import FEWEST_CROPS
from models.layers import (
    batch_norm,
    conv_layer,
    depthwise_conv_layer,
    fc_layer,
    global_average_pool,
    local_response_norm,
    weight_variable,
)
from models.nn import ConvNet, EfficientNetLite, ResNet, SmallNet

# What folding may change of a probability. It rounds other numbers than the net does: in float32 by 6e-8 of each
# weight, in bfloat16 by 4e-3, layer by layer.
# Eigen's kernels round every partial sum to bfloat16, oneDNN's only the result.
CLOSE = {"float32": 1e-5, "bfloat16": 0.02 if kernels() == ONEDNN else 0.05}
NUM_IMAGES = FEWEST_CROPS // 10 + 1  # with their ten crops enough for the copy


class OwnNet(ConvNet):
    """One convolution with batch norm, then the layers of a subclass."""

    def behind(self, x):
        """Go on from (N, 10, 10, 4) in the shape of x."""
        return x

    def _build_model(self):
        with v1.variable_scope("conv"):
            x = conv_layer(self.inputs, 3, 1, 4, weights_stddev=None, biases_value=0.1)
            x = self.behind(tf.nn.relu(batch_norm(x, self.is_train)))
        with v1.variable_scope("fc"):
            features = tf.cast(global_average_pool(x), tf.float32)
            return {"logits": fc_layer(features, self.num_classes, weights_stddev=1.0, biases_value=0.0)}


class Branches(OwnNet):
    """Conditionals on `is_train`, with a random number in the branch of training, and on the data."""

    def behind(self, x):
        x = tf.cond(self.is_train, lambda: tf.nn.dropout(x, 0.5), lambda: x * 0.5)
        return tf.cond(tf.reduce_mean(x) > 0.1, lambda: x + 1, lambda: local_response_norm(x))


class Nested(OwnNet):
    """A conditional in the branch of a conditional on `is_train`, and a reference variable."""

    def behind(self, x):
        scale = v1.get_variable("scale", [], tf.float32, v1.ones_initializer(), use_resource=None)

        def tested():
            return tf.cond(tf.reduce_mean(x) > 0, lambda: x * tf.cast(scale, x.dtype), lambda: -x)

        return local_response_norm(tf.cond(tf.logical_not(self.is_train), tested, lambda: x * 0))


class Shared(OwnNet):
    """A convolution whose result is used without the norm too, and a norm that follows no convolution."""

    def behind(self, x):
        with v1.variable_scope("second"):
            y = conv_layer(x, 3, 1, 4, weights_stddev=None, biases_value=None)
            x = y + tf.nn.relu(batch_norm(y, self.is_train))
        with v1.variable_scope("third"):
            return batch_norm(x, self.is_train)


class OwnNorm(OwnNet):
    """A norm of the net's own, and its own probabilities."""

    def behind(self, x):
        ones, zeros = tf.ones([4]), tf.zeros([4])
        return tf.cond(
            self.is_train,
            lambda: v1.nn.fused_batch_norm(x, ones, zeros)[0],
            lambda: v1.nn.fused_batch_norm(x, ones, zeros, zeros + 0.1, ones, is_training=False)[0],
        )

    def _build_model(self):
        d = super()._build_model()
        return {**d, "pred": tf.nn.softmax(d["logits"] / 2)}


class Depthwise(OwnNet):
    """A filter for each channel, and two for each, which are not folded."""

    def behind(self, x):
        with v1.variable_scope("depthwise"):
            x = tf.nn.relu6(batch_norm(depthwise_conv_layer(x, 3, 2), self.is_train))
        with v1.variable_scope("two"):
            filters = tf.cast(weight_variable([3, 3, 4, 2], stddev=None), x.dtype)
            x = tf.nn.depthwise_conv2d(x, filters, strides=[1, 1, 1, 1], padding="SAME")
            return batch_norm(x, self.is_train)


class Loop(OwnNet):
    """A loop around the activations."""

    def behind(self, x):
        return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x * 1.5), [0, x])[1]


class Noise(OwnNet):
    """Stateful random numbers in the prediction."""

    def behind(self, x):
        return x + 1e-9 * tf.random.normal(tf.shape(x), dtype=x.dtype)


def _resnet(**options):
    return lambda precision: ResNet((10, 10, 3), 3, precision=precision, widths=(8, 16), **options)


def _own(kind):
    return lambda precision: kind((10, 10, 3), 3, precision=precision)


def _efficientnet(precision):
    """Build three stages with every kind of block.

    All seven leave one of ten pixels, and features that hardly differ between images; `shake` then multiplies them,
    and what two kernels round differently, by up to 30.
    """
    with mock.patch.object(efficientnet, "STAGES", efficientnet.STAGES[:3]):
        return EfficientNetLite((10, 10, 3), 3, precision=precision, width=0.1)


NETS = {
    "basic": _resnet(stages=(1, 1), stem="cifar", shortcut="A"),
    "bottleneck": _resnet(stages=(2, 1), block="bottleneck", padding="SYMMETRIC"),
    "biased": _resnet(stages=(1, 1), stem="mini", conv_biases=True, batch_norm_epsilon=1e-3),
    "slim": _resnet(
        stages=(2, 1), block="bottleneck", padding="SYMMETRIC", pool_padding="SAME", stride_block="last"
    ),
    "keras": _resnet(stages=(1, 1), block="bottleneck", bottleneck_stride="1x1", conv_biases=True),
    "smallnet": lambda precision: SmallNet((10, 10, 3), 3, precision=precision, width=8, dropout_prob=0.5),
    "efficientnet": _efficientnet,
    "head-only": lambda precision: SmallNet((10, 10, 3), 3, precision=precision, width=8, freeze="head-only"),
    **{kind.__name__: _own(kind) for kind in (Branches, Nested, Shared, OwnNorm, Depthwise, Loop, Noise)},
}

CONDITIONAL = ("basic", "smallnet", "Branches", "Nested", "OwnNorm", "Loop")  # what control flow decides


def build(name, precision="float32"):
    """Build the net of that name in its own graph."""
    with tf.Graph().as_default():
        return NETS[name](precision)


def shake(model, sess):
    """Give every variable a value that a trained net might have, and the logits of `make_set` unit variance."""
    rng = np.random.default_rng(0)
    values = {
        "gamma": (0.5, 1.5),
        "moving_variance": (0.5, 1.5),
        "beta": (-0.5, 0.5),
        "moving_mean": (-0.5, 0.5),
    }
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
        for variable in model.variables:
            limits = values.get(variable.op.name.rpartition("/")[2])
            if limits is not None:
                variable.load(rng.uniform(*limits, variable.shape), sess)
        weights, biases = (v for v in model.variables if v.op.name in ("fc/weights", "fc/biases"))
        logits = sess.run(model.logits, model.feed(make_set(num_classes=3).images[:, 1:11, 1:11]))
        mean, deviation = logits.mean(axis=0), logits.std(axis=0)
        biases.load((sess.run(biases) - mean) / deviation, sess)
        weights.load(sess.run(weights) / deviation, sess)


def shaken(session, name, precision="float32"):
    """Return a net, and a session in which it was shaken."""
    model = build(name, precision)
    sess = session(model)
    shake(model, sess)
    return model, sess


def as_built(model, sess, dataset):
    """Return the mean over ten crops of the model's own graph, (N, K)."""
    crops = corner_center_crop_reflect(dataset.images, model.input_shape[0])  # (N, 10, h, w, C)
    return np.stack([sess.run(model.pred, model.feed(image)).mean(axis=0) for image in crops])


def largest_difference(name, precision, sess, model):
    """Return the largest difference of a probability between `predict` and the model's own graph."""
    shake(model, sess)
    dataset = make_set(NUM_IMAGES, num_classes=3)
    expected = as_built(model, sess, dataset)
    assert np.ptp(expected, axis=0).max() > CLOSE[precision], (name, np.ptp(expected, axis=0))
    return float(np.abs(model.predict(sess, dataset, batch_size=30) - expected).max())


def operations(sess, pred, feed):
    """Count the operations by type that compute `pred` after the runtime's optimisation."""
    metadata = v1.RunMetadata()
    sess.run(pred, feed, options=v1.RunOptions(output_partition_graphs=True), run_metadata=metadata)
    return Counter(
        node.op + "+".join(word.decode() for word in node.attr["fused_ops"].list.s)
        for graph in metadata.partition_graphs
        for node in graph.node
    )


def main():
    """Compare those with conditionals; the first that differs ends the process."""
    v1.disable_v2_behavior()
    for name in CONDITIONAL:
        model = build(name)
        with v1.Session(graph=model.graph) as sess:
            found = largest_difference(name, "float32", sess, model)
        is_folded = model._frozen.pred is not None
        print(f"{name} {found:.2g} {'folded' if is_folded else 'as built'}", flush=True)
        assert found < CLOSE["float32"], name


if __name__ == "__main__":
    main()
