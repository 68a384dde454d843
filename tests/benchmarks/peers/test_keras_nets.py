import numpy as np
import pytest
import tensorflow as tf

from benchmarks.harness.nets import NETS
from benchmarks.speed.training import run_config
from learning.runs.network import build_model
from tests.conftest import whole_net

WIDE_NETS = ("alexnet", "resnet18", "resnet50")


@pytest.mark.parametrize(
    "name", ["resnet20", *(pytest.param(name, marks=pytest.mark.long) for name in WIDE_NETS)]
)
def test_keras_nets_have_the_projects_parameters(name):
    from benchmarks.peers.keras_nets import build

    ours = whole_net(name)
    peer = build(name, ours.input_shape[0], ours.num_classes)
    assert sum(int(np.prod(v.shape)) for v in peer.trainable_variables) == ours.num_parameters
    assert peer.input.dtype == "uint8"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_narrow_keras_nets_have_the_projects_parameters(name):
    from benchmarks.peers.keras_nets import build

    options = {"stages": (1, 2), "widths": (4, 8)}
    case = NETS[name]._replace(side=16, num_classes=3, options=options)
    with tf.Graph().as_default():
        ours = build_model(run_config(case, "float32"), (16, 16, 3), 3)
    peer = build(name, 16, 3, **options)
    assert sum(int(np.prod(v.shape)) for v in peer.trainable_variables) == ours.num_parameters
