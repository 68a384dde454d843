"""What the tests share: tiny networks, tiny images, a session that is closed."""

import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import benchmarks  # noqa: F401  (before TensorFlow, see there)

import tensorflow as tf  # isort: skip
import tensorflow.compat.v1 as v1  # isort: skip

# tests/test_behaviour_switches.py runs suites again after one of TensorFlow's switches back to the ways of TF1.
SWITCH = os.environ.get("SESSIONNET_TEST_SWITCH")
if SWITCH:
    getattr(v1, SWITCH)()

from datasets.dataset import DataSet
from models.catalogue import model_class
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet
from models.summary import DEFAULTS, IMAGENET
from tests.warm_scripts import warm_scripts

# Nor does hypothesis look at a clock: how long an example takes says nothing on a busy machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class TinyNet(ConvNet):
    """One convolution with batch norm and dropout: everything that has a state, in a few milliseconds."""

    def _build_model(self, dropout_prob=0.0, width=4):
        with v1.variable_scope("conv1"):
            x = conv_layer(self.inputs, 3, 2, width, weights_stddev=None, biases_value=0.1)
            x = tf.nn.relu(batch_norm(x, self.is_train))
        with v1.variable_scope("fc"):
            x = dropout(global_average_pool(x), dropout_prob, self.is_train)
            return {"logits": fc_layer(x, self.num_classes, weights_stddev=0.1, biases_value=0.0)}


def make_set(num_images=48, size=12, crop=10, num_classes=2, seed=0, **options):
    """Images whose class shows in their brightness: (N, size, size, 3) uint8, one-hot labels."""
    rng = np.random.default_rng(seed)
    classes = np.arange(num_images) % num_classes
    levels = 40 + 170 * classes / max(1, num_classes - 1)
    noise = rng.integers(-30, 31, size=(num_images, size, size, 3))
    images = np.clip(levels[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    return DataSet(images, np.eye(num_classes, dtype=np.uint8)[classes], crop_size=crop, seed=seed, **options)


def tiny_model(seed=0, **options):
    """A TinyNet for `make_set`'s crops in a graph of its own."""
    with tf.Graph().as_default():
        return TinyNet((10, 10, 3), 2, seed=seed, **options)


@functools.cache
def computes_bfloat16():
    """Whether TensorFlow can at all.

    On a processor with AVX-512 it asks oneDNN for products in bfloat16, even where ONEDNN_MAX_CPU_ISA has taken
    them away: a convolution fails then, and a matrix product ends the process. Older processors emulate both.
    """
    with tf.Graph().as_default(), v1.Session() as sess:
        try:
            sess.run(
                tf.nn.conv2d(
                    tf.ones([1, 4, 4, 8], tf.bfloat16), tf.ones([3, 3, 8, 8], tf.bfloat16), 1, "SAME"
                )
            )
        except tf.errors.AbortedError:
            return False
    return True


def pytest_runtest_setup(item):
    """Skip what computes in bfloat16 where nothing can: by its mark, or its precision or dtype."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    is_asked = parameters.get("precision") == "bfloat16" or parameters.get("dtype") is tf.bfloat16
    if (is_asked or item.get_closest_marker("bfloat16")) and not computes_bfloat16():
        pytest.skip("ONEDNN_MAX_CPU_ISA leaves no bfloat16")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Decoded images are kept where no user has any, nor another session of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SESSIONNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@functools.cache
def whole_net(name):
    """A net of the catalogue at the size of its data set, built once for all the tests that only look at it."""
    with tf.Graph().as_default():
        return model_class(name)(*DEFAULTS.get(name, IMAGENET))


@pytest.fixture
def session():
    """Open sessions by model; all are closed at the end."""
    opened = []

    def open_session(model):
        config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        opened.append(v1.Session(graph=model.graph, config=config))
        return opened[-1]

    yield open_session
    for sess in opened:
        sess.close()


@pytest.fixture(scope="session")
def call_script():
    """Calls a script in a process that need not start TensorFlow: see tests/warm_scripts.py."""
    with warm_scripts() as call:
        yield call
