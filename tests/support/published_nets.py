"""Networks of other programs with random weights, and what our network computes with their weights."""

import importlib
import re
import sys
import warnings

import numpy as np
import pytest

from models.weights.files import Weights
from models.weights.load import load_tensors
from tests.conftest import tf, v1

CLASSES = 5
CLOSE = 1e-4  # of logits with a standard deviation of about one
_operators = []  # PyTorch forgets those of a library that is collected


def import_of_torch(name):
    """Import torchvision or timm; skip the test where it is not installed.

    torchvision describes its compiled operators when it is imported, and fails if they are of another build of
    PyTorch. No classifier uses them, so their names are enough.
    """
    torch = pytest.importorskip("torch")
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return importlib.import_module(name)
        except ImportError:
            pytest.skip(f"{name} is not installed")
        except RuntimeError as error:
            missing = re.fullmatch(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            _operators.append(torch.library.Library("torchvision", "FRAGMENT"))
            _operators[-1].define(f"{missing[1]}(Tensor x) -> Tensor")
            for module in [module for module in sys.modules if module.split(".")[0] in ("torchvision", name)]:
                del sys.modules[module]


def random_images(model, number=3):
    """Return uint8 images of different brightness, (N, H, W, 3)."""
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 256, (number, *model.input_shape))
    return (noise * np.linspace(0.2, 1, number)[:, None, None, None]).astype(np.uint8)


def random_tensors(model, weights_map):
    """Return random values of all the source's tensors by its names; the logits' deviation is then about one."""
    rng = np.random.default_rng(1)
    shapes = {v.op.name: v.shape.as_list() for v in model.variables}
    values = {name: _random_value(name, shape, rng) for name, shape in shapes.items()}
    values[weights_map.first_layer] *= 4 * np.float32(weights_map.preprocessing.std[0])
    return {
        pair.theirs: np.ascontiguousarray(pair.layout.to_theirs(values[pair.ours]))
        for pair in weights_map.pairs(model)
    }


def _random_value(name, shape, rng):
    kind = name.rpartition("/")[2]
    if kind == "weights":
        is_head = len(shape) == 2 and shape[-1] == CLASSES
        value = rng.normal(0, 0.1 / shape[0] ** 0.5 if is_head else (2 / np.prod(shape[:-1])) ** 0.5, shape)
    elif kind in ("gamma", "moving_variance"):
        value = rng.uniform(0.5, 1.0, shape)
    else:
        value = rng.normal(0, 0.1, shape)
    return value.astype(np.float32)


def check_names(model, weights_map, shapes):
    """Assert that the map pairs all tensors of the source with all our variables, and that the shapes agree."""
    pairs = weights_map.pairs(model)
    variables = {
        v.op.name: tuple(v.shape.as_list()) for v in model.variables if "preprocessing" not in v.op.name
    }
    assert sorted(pair.ours for pair in pairs) == sorted(variables)
    expected = {name for name in shapes if not re.fullmatch(weights_map.ignored, name)}
    assert {pair.theirs for pair in pairs} == expected
    for pair in pairs:
        theirs = pair.layout.to_ours(np.broadcast_to(np.float32(0), shapes[pair.theirs]))
        assert theirs.shape == variables[pair.ours], pair
    assert weights_map.recognises(shapes)


def build(net, side, weights_map, num_classes=CLASSES, **options):
    """Build our network in its own graph with the options that the source's weights need."""
    with tf.Graph().as_default():
        return net((side, side, 3), num_classes, **{**weights_map.options, **options})


def load(sess, model, tensors, weights_map):
    """Load a source's tensors into our network."""
    load_tensors(sess, model, Weights(tensors, "numpy", "random.npz"), weights_map)


def their_inputs(images, preprocessing):
    """Return what the source's network takes for uint8 images: float32 (N, H, W, 3)."""
    inputs = (images / 255 - preprocessing.mean) / preprocessing.std
    return np.float32(inputs[..., ::-1] if preprocessing.is_bgr else inputs)


def torch_logits(peer, tensors, images, weights_map):
    """Give a network of PyTorch all `tensors`, and return its logits (N, K)."""
    torch = importlib.import_module("torch")
    left = peer.load_state_dict({name: torch.tensor(value) for name, value in tensors.items()}, strict=False)
    assert left.unexpected_keys == []
    assert [name for name in left.missing_keys if not re.fullmatch(weights_map.ignored, name)] == []
    x = their_inputs(images, weights_map.preprocessing).transpose(0, 3, 1, 2)
    with torch.no_grad():
        return peer.eval()(torch.tensor(np.ascontiguousarray(x))).numpy()


def tf_logits(build_peer, tensors, images, weights_map):
    """Give the network that `build_peer(inputs)` builds all `tensors`, and return its logits (N, K)."""
    with tf.Graph().as_default(), v1.Session() as sess:
        logits = build_peer(tf.constant(their_inputs(images, weights_map.preprocessing)))
        variables = {v.op.name: v for v in v1.global_variables()}
        assert variables.keys() == tensors.keys()
        feed = {v.initializer.inputs[1]: tensors[name] for name, v in variables.items()}
        sess.run([v.initializer for v in variables.values()], feed)
        return np.reshape(sess.run(logits), [len(images), CLASSES])


def check_logits(sess, model, images, theirs):
    """Assert that our logits are `theirs`, which differ by image and class."""
    assert np.ptp(theirs, axis=0).max() > 0.1
    assert np.abs(theirs).max() < 20
    np.testing.assert_allclose(sess.run(model.logits, model.feed(images)), theirs, rtol=0, atol=CLOSE)
