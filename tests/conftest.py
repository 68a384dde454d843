"""Fixtures and helpers of the tests: tiny networks, tiny images, sessions."""

import contextlib
import functools
import ipaddress
import os
import signal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the tests describe a processor; see docs/gpu.md

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import benchmarks  # noqa: F401  (before TensorFlow, see there)
from learning.machine import kernels
from models.runtime import cpu

with kernels.choosing_kernels():  # the tests compute as the scripts do
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from learning.distributed.cluster import ALLOW_OPEN
from learning.distributed.network import own_addresses
from learning.machine.precision import bfloat16_fails
from learning.pictures import plots
from models.catalogue import MODELS, model_class
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet
from tests.support.scripts import warm_scripts

# Without time limits of hypothesis, which a busy machine would break.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class TinyNet(ConvNet):
    """One convolution with batch norm and dropout: everything that has a state."""

    def _build_model(self, dropout_prob=0.0, width=4):
        with v1.variable_scope("conv1"):
            x = conv_layer(self.inputs, 3, 2, width, weights_stddev=None, biases_value=0.1)
            x = tf.nn.relu(batch_norm(x, self.is_train))
        with v1.variable_scope("fc"):
            x = dropout(global_average_pool(x), dropout_prob, self.is_train)
            return {"logits": fc_layer(x, self.num_classes, weights_stddev=0.1, biases_value=0.0)}


def make_set(num_images=48, size=12, crop=10, num_classes=2, seed=0, **options):
    """Return images whose brightness tells their class: (N, size, size, 3) uint8, with one-hot labels."""
    rng = np.random.default_rng(seed)
    classes = np.arange(num_images) % num_classes
    levels = 40 + 170 * classes / max(1, num_classes - 1)
    noise = rng.integers(-30, 31, size=(num_images, size, size, 3))
    images = np.clip(levels[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    return DataSet(images, np.eye(num_classes, dtype=np.uint8)[classes], crop_size=crop, seed=seed, **options)


def tiny_model(seed=0, **options):
    """Build a TinyNet for the crops of `make_set` in its own graph."""
    with tf.Graph().as_default():
        return TinyNet((10, 10, 3), 2, seed=seed, **options)


def pytest_collection_modifyitems(items):
    """Run the longest files first, and skip tests in bfloat16 where TensorFlow cannot compute in it.

    Of several workers, none is then left with a long file at the end.
    """
    items.sort(key=lambda item: "/scripts/" not in item.nodeid)
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
    """Escape undecodable file names in captured output, because xdist sends reports as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Keep decoded images in a cache of this test session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SESSIONNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Spare this process the waits for the disk, which scripts in processes of their own still make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@functools.cache
def whole_net(name):
    """Build a net of the catalogue at its own size, once for all tests that only read its graph."""
    with tf.Graph().as_default():
        return model_class(name)(MODELS[name].input_shape, MODELS[name].num_classes)


@contextlib.contextmanager
def sessions():
    """Open sessions by model, each with one thread; all are closed at the end."""
    with contextlib.ExitStack() as stack:
        config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)

        def open_session(model):
            sess = v1.Session(graph=model.graph, config=config)
            stack.callback(sess.close)
            return sess

        yield open_session


@pytest.fixture
def session():
    """Open sessions by model; all are closed at the end."""
    with sessions() as open_session:
        yield open_session


@pytest.fixture
def without_pictures(monkeypatch):
    """Leave empty files instead of drawing, which takes half of the time of a tiny training."""

    def touch(*arguments, **options):
        Path(arguments[-1]).touch()

    for name in ("draw_learning_curves", "draw_confusion_matrix", "draw_image_grid"):
        monkeypatch.setattr(plots, name, touch)


@pytest.fixture(scope="session")
def call_script():
    """Call a script in a process that has imported TensorFlow already: see tests/support/scripts.py."""
    with warm_scripts() as call:
        yield call


@pytest.fixture
def closed_network():
    """Skip a test that starts TensorFlow's servers where strangers may reach them, unless the user allows it."""
    is_open = any(ipaddress.ip_address(address).is_global for address in own_addresses())
    if is_open and os.environ.get(ALLOW_OPEN) != "1":
        pytest.skip(f"this machine has a public address; behind a firewall, set {ALLOW_OPEN}=1")


@pytest.fixture
def without_nohup():
    """Give SIGHUP its usual meaning, which nohup takes away from the tests that it starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def one_torch_thread():
    """Let PyTorch use one thread: on a busy machine, small nets take longer with more."""
    torch = import_module("torch") if find_spec("torch") else None
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(before)


@pytest.fixture
def cpu_with(monkeypatch, tmp_path):
    """Pretend that the processor has these flags; None for a system without /proc/cpuinfo."""

    def make(flags):
        path = tmp_path / "cpuinfo"
        if flags is not None:
            path.write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\nmodel name\t: Some CPU\n")
        monkeypatch.setattr(cpu, "CPU_INFO", path)
        for variable in (*cpu.LIMIT_VARIABLES, kernels.SWITCH):
            monkeypatch.delenv(variable, raising=False)

    return make
