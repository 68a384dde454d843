"""models/weights/maps/slim.py against tf-slim's networks."""

import contextlib

import pytest

from models.nn import ResNet50
from models.weights.maps.catalogue import recognise
from models.weights.maps.slim import SLIM_RESNET
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

pytestmark = pytest.mark.filterwarnings("ignore:`layer.apply` is deprecated:UserWarning")
STAGES = (2, 3, 1, 2)  # one with a single unit, which has the projection and the stride


def batch_norm(x):
    """Normalise as slim does in evaluation, with its names; its own function needs Keras 2."""
    with v1.variable_scope("BatchNorm"):
        values = {
            name: v1.get_variable(name, [int(x.shape[-1])])
            for name in ("moving_mean", "moving_variance", "beta", "gamma")
        }
    return tf.nn.batch_normalization(x, *values.values(), variance_epsilon=1e-5)


@contextlib.contextmanager
def nets_of_slim():
    """Give slim's module of networks, with the usual options."""
    slim, resnet_v1 = pytest.importorskip("tf_slim"), pytest.importorskip("tf_slim.nets.resnet_v1")
    norm = {"normalizer_fn": batch_norm, "normalizer_params": {}}
    with slim.arg_scope(resnet_v1.resnet_arg_scope()), slim.arg_scope([slim.conv2d], **norm):
        yield resnet_v1


def short_peer(images):
    sizes = zip((64, 128, 256, 512), STAGES, (2, 2, 2, 1), strict=True)
    with nets_of_slim() as nets:
        blocks = [
            nets.resnet_v1_block(f"block{number}", base_depth=depth, num_units=units, stride=stride)
            for number, (depth, units, stride) in enumerate(sizes, start=1)
        ]
        scope = f"resnet_v1_{3 * sum(STAGES) + 2}"
        return nets.resnet_v1(images, blocks, CLASSES, is_training=False, scope=scope)[0]


def test_the_logits_are_those_of_slim(session):
    model = build(ResNet50, 64, SLIM_RESNET, stages=STAGES)
    tensors, images = random_tensors(model, SLIM_RESNET), random_images(model)
    sess = session(model)
    load(sess, model, tensors, SLIM_RESNET)
    check_logits(sess, model, images, tf_logits(short_peer, tensors, images, SLIM_RESNET))


@pytest.mark.parametrize(
    "depth", [50, *(pytest.param(depth, marks=pytest.mark.long) for depth in (101, 152))]
)
def test_every_variable_of_slim_has_ours(depth):
    with tf.Graph().as_default(), nets_of_slim() as nets:
        getattr(nets, f"resnet_v1_{depth}")(tf.zeros([1, 32, 32, 3]), 1000, is_training=False)
        shapes = {v.op.name: tuple(v.shape.as_list()) for v in v1.global_variables()}
    shapes[f"resnet_v1_{depth}/mean_rgb"] = (3,)  # in the published checkpoints
    assert recognise(shapes) is SLIM_RESNET
    check_names(whole_net(f"resnet{depth}"), SLIM_RESNET, shapes)
