"""models/weights/maps/official.py against the r1 network, written again with the operations of TensorFlow."""

import pytest

from models.nn import ResNet18, ResNet50
from models.weights.errors import WeightsError
from models.weights.maps.catalogue import recognise
from models.weights.maps.official import OFFICIAL_RESNET
from tests.conftest import tf, v1, whole_net
from tests.support.published_nets import (
    CLASSES,
    build,
    check_logits,
    check_names,
    load,
    random_images,
    random_tensors,
    tf_logits,
)


class Official:
    """The bottleneck network of version 1; layers get their names from counters, as in `tf.layers`."""

    def __init__(self):
        self.counts = {}

    def variable(self, kind, name, shape):
        return v1.get_variable(f"resnet_model/{kind}/{name}", shape)

    def numbered(self, kind):
        number = self.counts[kind] = self.counts.get(kind, -1) + 1
        return f"{kind}_{number}" if number else kind

    def conv(self, x, side, stride, depth):
        kernel = self.variable(self.numbered("conv2d"), "kernel", [side, side, int(x.shape[-1]), depth])
        if stride == 1:
            return tf.nn.conv2d(x, kernel, 1, "SAME")
        edge = [(side - 1) // 2, side - 1 - (side - 1) // 2]
        return tf.nn.conv2d(tf.pad(x, [[0, 0], edge, edge, [0, 0]]), kernel, stride, "VALID")

    def norm(self, x):
        kind = self.numbered("batch_normalization")
        names = ("moving_mean", "moving_variance", "beta", "gamma")
        values = [self.variable(kind, name, [int(x.shape[-1])]) for name in names]
        return tf.nn.batch_normalization(x, *values, variance_epsilon=1e-5)

    def block(self, x, width, stride, is_first):
        shortcut = self.norm(self.conv(x, 1, stride, 4 * width)) if is_first else x
        x = tf.nn.relu(self.norm(self.conv(x, 1, 1, width)))
        x = tf.nn.relu(self.norm(self.conv(x, 3, stride, width)))
        return tf.nn.relu(self.norm(self.conv(x, 1, 1, 4 * width)) + shortcut)

    def logits(self, x, stages, classes):
        x = tf.nn.relu(self.norm(self.conv(x, 7, 2, 64)))
        x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        for stage, num_blocks in enumerate(stages):
            for number in range(num_blocks):
                is_first = number == 0
                x = self.block(x, 64 * 2**stage, 2 if is_first and stage else 1, is_first)
        x = tf.reduce_mean(x, [1, 2])
        kernel = self.variable("dense", "kernel", [int(x.shape[-1]), classes])
        return x @ kernel + self.variable("dense", "bias", [classes])


def test_the_logits_are_those_of_the_official_network(session):
    stages = (2, 1, 2, 1)
    model = build(ResNet50, 64, OFFICIAL_RESNET, stages=stages)
    tensors, images = random_tensors(model, OFFICIAL_RESNET), random_images(model)
    sess = session(model)
    load(sess, model, tensors, OFFICIAL_RESNET)
    theirs = tf_logits(lambda x: Official().logits(x, stages, CLASSES), tensors, images, OFFICIAL_RESNET)
    check_logits(sess, model, images, theirs)


@pytest.mark.parametrize(
    "depth", [50, *(pytest.param(depth, marks=pytest.mark.long) for depth in (101, 152))]
)
def test_every_variable_of_the_official_network_has_ours(depth):
    stages = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    with tf.Graph().as_default():
        Official().logits(tf.zeros([1, 32, 32, 3]), stages, 1000)
        shapes = {v.op.name: tuple(v.shape.as_list()) for v in v1.global_variables()}
    assert recognise(shapes) is OFFICIAL_RESNET
    check_names(whole_net(f"resnet{depth}"), OFFICIAL_RESNET, shapes)


def test_the_published_names():
    """As in the checkpoints of 2018, which have these layers last."""
    names = {pair.ours: pair.theirs for pair in OFFICIAL_RESNET.pairs(whole_net("resnet50"))}
    assert names["stem/weights"] == "resnet_model/conv2d/kernel"
    assert names["stage1/block1/shortcut/gamma"] == "resnet_model/batch_normalization_1/gamma"
    assert names["stage1/block1/conv1/weights"] == "resnet_model/conv2d_2/kernel"
    assert (
        names["stage4/block3/conv3/moving_variance"] == "resnet_model/batch_normalization_52/moving_variance"
    )
    assert names["fc/biases"] == "resnet_model/dense/bias"


def test_a_network_that_does_not_project_its_first_shortcut_is_an_error():
    with tf.Graph().as_default():
        model = ResNet18((32, 32, 3), 2)
    with pytest.raises(
        WeightsError, match="projects the first shortcut, which ResNet18 does not; build resnet50"
    ):
        OFFICIAL_RESNET.pairs(model)


def test_version_2_which_normalises_first_is_refused():
    shapes = {
        "resnet_model/conv2d/kernel": (7, 7, 3, 64),
        "resnet_model/batch_normalization/gamma": (64,),
        "resnet_model/conv2d_1/kernel": (1, 1, 64, 256),
        "resnet_model/batch_normalization_1/gamma": (64,),
        "resnet_model/dense/kernel": (2048, 1001),
    }
    with pytest.raises(
        WeightsError,
        match="normalises first, as the official TensorFlow models' version 2",
    ):
        recognise(shapes)
