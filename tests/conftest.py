"""What the tests share: tiny networks, tiny images, a session that is closed."""

import functools
import os
from importlib import import_module
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import benchmarks  # noqa: F401  (before TensorFlow, see there)
from learning.machine import kernels
from models.runtime import cpu

with kernels.choosing_kernels():  # the tests compute as the scripts do
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

# test_behaviour_switches.py runs suites again after one of TensorFlow's switches back to the ways of TF1.
SWITCH = os.environ.get("SESSIONNET_TEST_SWITCH")
if SWITCH:
    getattr(v1, SWITCH)()

from datasets.dataset import DataSet
from learning.machine.precision import bfloat16_fails
from models.catalogue import MODELS, model_class
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet
from tests.support.warm_scripts import warm_scripts

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


def pytest_collection_modifyitems(items):
    """Skip what computes in bfloat16 where TensorFlow fails in it: by its mark, or by its precision or dtype."""
    fails = pytest.mark.skipif(bfloat16_fails(), reason="ONEDNN_MAX_CPU_ISA leaves oneDNN no bfloat16")
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        is_asked = any(
            isinstance(value, str | tf.DType) and value in ("bfloat16", tf.bfloat16) for value in values
        )
        if is_asked or item.get_closest_marker("bfloat16"):
            item.add_marker(fails)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Escape file names that are no text in what a test printed and logged: xdist sends reports as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


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
        return model_class(name)(MODELS[name].input_shape, MODELS[name].num_classes)


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
    """Calls a script in a process that need not start TensorFlow: see tests/support/warm_scripts.py."""
    with warm_scripts() as call:
        yield call


@pytest.fixture
def one_torch_thread():
    """PyTorch, where it is installed, with one thread: small nets take longer with more where others work too."""
    torch = import_module("torch") if find_spec("torch") else None
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(before)


@pytest.fixture
def cpu_with(monkeypatch, tmp_path):
    """A processor with these flags; None: a system that does not say."""

    def make(flags):
        path = tmp_path / "cpuinfo"
        if flags is not None:
            path.write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\nmodel name\t: Some CPU\n")
        monkeypatch.setattr(cpu, "CPU_INFO", path)
        for variable in (*cpu.LIMIT_VARIABLES, kernels.SWITCH):
            monkeypatch.delenv(variable, raising=False)

    return make
