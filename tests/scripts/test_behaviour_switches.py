"""The contract suites in processes in which TensorFlow was switched back to TF1 behaviour.

`tf.disable_v2_behavior()` is the usual first line of a TF1 program on TensorFlow 2; it combines several switches.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PYTEST = find_spec("pytest.__main__").origin
TESTS = Path(__file__).resolve().parents[1]
# Tests that a switch can affect. Predictions by models/graph/folded.py are compared in tests.support.frozen_nets.
SUITES = (
    "models/test_catalogue.py",
    "models/test_convnet.py",
    "models/test_layers.py",
    "models/test_smallnet.py",
    "models/test_subclasses.py",
    "learning/training/test_loop.py::TestContract",
    "learning/training/test_loop.py::TestLearningRate::test_a_users_own_rule_written_as_in_the_post",
    "learning/training/test_loop.py::TestResume::test_is_exact",
    "learning/distributed/test_workers.py::test_workers_equal_one_process[3-hp1]",
    "learning/test_optimizers.py",
    "learning/checkpoints/test_store.py",
    "models/graph/test_filter_gradients.py",
    "models/graph/test_freezing.py",
    "models/graph/test_losses.py",
    "models/weights/test_load.py",
    "scripts/test_porting.py",
    "models/graph/test_folded.py::TestSideEffects",
    "learning/export/test_inference_graph.py",
    "learning/export/formats/test_encoded_images.py",
    "learning/inference/test_explanation.py",
)
# Of these files, tests that no switch can affect, and tests of what another of them, or test_post.py, runs too.
LEFT_OUT = (
    "bfloat16",
    "two_trainings",
    "skipped_whatever_the_damage",  # of files
    "that_of_pytorch",  # smoothing is worked out by hand, too
    "they_are_new_beside_published_weights",  # which are loaded without class weights
    "every_family_has_a_last_map",  # test_freezing.py builds every family
    "(test_builds_trains and alexnet)",  # test_post.py
)
# Nets with every kind of layer, prediction, one exact resume: what a single switch could break.
PART = (
    "models/test_layers.py",
    "models/test_subclasses.py::TestLosses",
    "models/test_subclasses.py::TestVariables",
    "models/test_subclasses.py::TestErrors",
    "models/test_convnet.py::TestPredict::test_ten_crops_are_averaged_and_batches_respected",
    "models/test_catalogue.py::TestContract::test_builds_trains_saves_restores_and_predicts[smallnet-float32]",
    "models/test_catalogue.py::TestContract::test_builds_trains_saves_restores_and_predicts[resnet20-float32]",
    "learning/training/test_loop.py::TestResume::test_is_exact[MomentumOptimizer]",
)
SINGLE_SWITCHES = (
    "disable_resource_variables",
    "disable_control_flow_v2",
    "disable_v2_tensorshape",
    "disable_eager_execution",
)


# The fork inherits the environment of a pytest-xdist worker, which it is not.
PREPARE = """
import os
import tensorflow.compat.v1 as v1

for name in [name for name in os.environ if name.startswith("PYTEST_")]:
    del os.environ[name]
v1.{switch}()
"""


@pytest.fixture
def run_suites(call_script):
    """Run test files after one of the switches, in a fork of a process that has imported TensorFlow."""

    def run(switch, suites):
        options = ["-p", "no:cacheprovider", "-k", f"not ({' or '.join(LEFT_OUT)})"]
        files = [TESTS / suite for suite in suites]
        done = call_script(PYTEST, *options, *files, cwd=TESTS.parent, prepare=PREPARE.format(switch=switch))
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

    return run


def test_the_contract_suites_pass_after_disable_v2_behavior(run_suites):
    run_suites("disable_v2_behavior", SUITES)


@pytest.mark.parametrize("switch", SINGLE_SWITCHES)
def test_a_part_of_them_passes_after_each_single_switch(run_suites, switch):
    run_suites(switch, PART)


MIXED = """
import keras, numpy as np, sys
import tensorflow as tf
import tensorflow.compat.v1 as v1

double = tf.function(lambda x: 2 * x)
assert double(tf.constant(2)).numpy() == 4
net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
before = net(np.ones((1, 4), np.float32)).numpy()

from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from tests.conftest import TinyNet, make_set

model = TinyNet((10, 10, 3), 2)  # in the default graph
assert model.graph is v1.get_default_graph()
options = {"batch_size": 8, "num_epochs": 1}
optimizer = MomentumOptimizer(model, make_set(16), AccuracyEvaluator(), **options)
with v1.Session(graph=v1.get_default_graph()) as sess:
    optimizer.train(sess, sys.argv[1], verbose=False)
    assert model.predict(sess, make_set(3)).shape == (3, 2)

assert (net(np.ones((1, 4), np.float32)).numpy() == before).all()
assert double(tf.constant(3)).numpy() == 6
"""


def test_a_program_that_has_used_keras_and_functions_can_still_use_them(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MIXED, tmp_path], capture_output=True, text=True, cwd=TESTS.parent
    )
    assert done.returncode == 0, done.stderr[-3000:]
