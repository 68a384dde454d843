"""models/weights/maps/caffe.py against Caffe's network, written again with NumPy and single operations."""

import numpy as np
import pytest

from models.nn import AlexNet
from models.weights.load import load_weights
from models.weights.maps.caffe import CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED
from models.weights.maps.catalogue import recognise
from tests.conftest import tf
from tests.support.published_nets import (
    build,
    check_logits,
    check_names,
    random_images,
    random_tensors,
    their_inputs,
)

SIDE = 99  # the least whose last pooling is more than one pixel, so that the order of fc6's inputs matters
# stride, padding in pixels, groups
CONVOLUTIONS = {
    "conv1": (4, 0, 1),
    "conv2": (1, 2, 2),
    "conv3": (1, 1, 1),
    "conv4": (1, 1, 2),
    "conv5": (1, 1, 2),
}
POOLED, NORMALISED = ("conv1", "conv2", "conv5"), ("conv1", "conv2")


def convolve(x, weights, biases, stride, padding, groups):
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    parts = zip(np.split(x, groups, axis=3), np.split(weights, groups, axis=3), strict=True)
    return np.concatenate([tf.nn.conv2d(a, b, stride, "VALID") for a, b in parts], axis=3) + biases


def normalise(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """Caffe's LRN: alpha times the mean of the squares, with zeros beyond the first and last channel."""
    squares = np.pad(x**2, [(0, 0)] * 3 + [(size // 2, size // 2)])
    sums = sum(squares[..., offset : offset + x.shape[-1]] for offset in range(size))
    return x / (k + alpha / size * sums) ** beta


def caffe_logits(layers, x):
    """Compute what Caffe's `deploy.prototxt` of bvlc_alexnet says, with the weights and biases of each layer."""
    for name, options in CONVOLUTIONS.items():
        x = np.maximum(convolve(x, *layers[name], *options), 0)
        x = normalise(x) if name in NORMALISED else x
        x = tf.nn.max_pool2d(x, 3, 2, "VALID").numpy() if name in POOLED else x
    x = x.reshape(len(x), -1)  # height, width, channel
    for name in ("fc6", "fc7"):
        x = np.maximum(x @ layers[name][0] + layers[name][1], 0)
    return x @ layers["fc8"][0] + layers["fc8"][1]


@pytest.mark.parametrize("source", [CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED], ids=["lists", "dictionaries"])
def test_the_logits_are_those_of_caffe(source, session, tmp_path):
    model = build(AlexNet, SIDE, source)
    tensors, images = random_tensors(model, source), random_images(model)
    names = [*CONVOLUTIONS, "fc6", "fc7", "fc8"]
    kinds = ("0", "1") if source is CAFFE_ALEXNET else ("weights", "biases")
    layers = {name: [tensors[f"{name}/{kind}"] for kind in kinds] for name in names}
    stored = (
        layers if source is CAFFE_ALEXNET else {n: dict(zip(kinds, layers[n], strict=True)) for n in names}
    )
    np.save(tmp_path / "bvlc_alexnet.npy", np.array(stored, dtype=object), allow_pickle=True)
    sess = session(model)
    load_weights(sess, model, tmp_path / "bvlc_alexnet.npy")
    check_logits(sess, model, images, caffe_logits(layers, their_inputs(images, source.preprocessing)))


@pytest.mark.parametrize("source", [CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED], ids=["lists", "dictionaries"])
def test_every_published_array_has_its_variable(source):
    weights, biases = ("0", "1") if source is CAFFE_ALEXNET else ("weights", "biases")
    arrays = {
        "conv1": (11, 11, 3, 96),
        "conv2": (5, 5, 48, 256),
        "conv3": (3, 3, 256, 384),
        "conv4": (3, 3, 192, 384),
        "conv5": (3, 3, 192, 256),
        "fc6": (9216, 4096),
        "fc7": (4096, 4096),
        "fc8": (4096, 1000),
    }
    shapes = {f"{name}/{weights}": shape for name, shape in arrays.items()}
    shapes |= {f"{name}/{biases}": shape[-1:] for name, shape in arrays.items()}
    assert recognise(shapes) is source
    check_names(build(AlexNet, 227, source, num_classes=1000), source, shapes)


def test_our_own_weights_are_not_taken_for_caffes():
    model = build(AlexNet, SIDE, CAFFE_ALEXNET)
    shapes = {v.op.name: tuple(v.shape.as_list()) for v in model.variables}
    assert not CAFFE_ALEXNET_NAMED.recognises(shapes)
