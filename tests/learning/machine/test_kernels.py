"""learning/machine/kernels.py: the switch before TensorFlow is imported, the record, a resume with others."""

import json
import logging
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.checkpoints.state import TrainingState
from learning.checkpoints.store import CheckpointStore
from learning.errors import CheckpointError
from learning.evaluators import AccuracyEvaluator
from learning.machine import identity, kernels
from learning.optimizers import MomentumOptimizer
from models.runtime import cpu
from tests.conftest import make_set, tiny_model

pytestmark = pytest.mark.usefixtures("without_pictures")


ZEN_3 = ["avx2"]


# the switch


@pytest.mark.parametrize(
    ("environment", "has", "expected"),
    [
        ({}, ZEN_3, {"TF_ENABLE_ONEDNN_OPTS": "1"}),
        ({}, ["avx2", "avx512f", "avx512_vnni"], {"TF_ENABLE_ONEDNN_OPTS": "1"}),
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, ZEN_3, {}),
        ({"TF_ENABLE_ONEDNN_OPTS": "1"}, ZEN_3, {}),
        ({}, [], {}),  # ARM, or no AVX2
    ],
)
def test_the_switch_is_set_where_it_pays_and_the_user_has_not_decided(environment, has, expected):
    assert kernels.kernel_variables(environment, has) == expected


@pytest.mark.parametrize(
    ("environment", "has", "expected"),
    [
        ({}, ZEN_3, "Eigen"),
        ({}, [], "unknown"),
        ({}, ["avx2", "avx512f"], "Eigen"),
        ({}, ["avx2", "avx_vnni"], "oneDNN"),
        ({"TF_ENABLE_ONEDNN_OPTS": "1"}, ZEN_3, "oneDNN"),
        ({"TF_ENABLE_ONEDNN_OPTS": "False"}, ["avx2", "avx_vnni"], "Eigen"),
    ],
)
def test_what_tensorflow_takes(environment, has, expected):
    assert kernels.kernels_taken(environment, has) == expected


def test_what_tensorflow_takes_here():
    has = cpu.instructions()
    environment = {**kernels.kernel_variables(os.environ, has), **os.environ}
    assert kernels.kernels_taken(environment, has) in (kernels.kernels(), kernels.UNKNOWN)


def test_the_environment_is_changed_only_during_the_import(cpu_with, monkeypatch):
    cpu_with("fpu avx2 fma")
    before = dict(os.environ)
    with kernels.choosing_kernels():
        assert {**before, "TF_ENABLE_ONEDNN_OPTS": "1"} == os.environ
    assert before == os.environ
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    with kernels.choosing_kernels():
        assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"


def convolution_ops():
    """Return the operations that compute a convolution."""
    with tf.Graph().as_default() as graph:
        x, filters = (v1.placeholder(tf.float32, size) for size in ([1, 8, 8, 8], [3, 3, 8, 8]))
        y = tf.nn.conv2d(x, filters, 1, "SAME")
    found = v1.RunMetadata()
    with v1.Session(graph=graph) as sess:
        feed = {tensor: np.ones(tensor.shape, np.float32) for tensor in (x, filters)}
        sess.run(y, feed, options=v1.RunOptions(output_partition_graphs=True), run_metadata=found)
    return [node.op for part in found.partition_graphs for node in part.node]


def with_onednn(ops):
    """Return whether an operation is oneDNN's, by the library's old or new name."""
    return any(name in op.lower() for op in ops for name in ("mkl", "onednn"))


def test_what_tensorflow_says_is_what_it_computes_with():
    assert kernels.kernels() != kernels.UNKNOWN
    assert with_onednn(convolution_ops()) == (kernels.kernels() == "oneDNN")


# what oneDNN may use


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"]),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, ["avx2"]),
        ({"ONEDNN_MAX_CPU_ISA": "avx512_core"}, ["avx2", "avx512f"]),
        ({"ONEDNN_MAX_CPU_ISA": "DEFAULT"}, ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"]),
        ({"DNNL_MAX_CPU_ISA": "SSE41"}, []),
        ({"DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_MAX_CPU_ISA": "AVX2"}, ["avx2"]),
    ],
)
def test_a_limit_leaves_some_instructions(environment, expected, cpu_with):
    cpu_with("fpu avx2 avx512f avx512_bf16 avx512_vnni")
    assert cpu.usable_instructions(environment) == expected


def test_an_unknown_processor_has_a_name_and_no_instructions(cpu_with):
    cpu_with(None)
    assert cpu.instructions() == []
    assert cpu.processor_name()


# the record


def test_the_machine_is_recorded(cpu_with, session, monkeypatch):
    cpu_with("fpu avx2 fma")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx")
    monkeypatch.setattr(identity, "version", {"sessionnet": "1.2"}.get)
    found = identity.machine(session(tiny_model()))
    assert found == {
        "processor": "Some CPU",
        "instructions": ["avx2"],
        "gpu": None,
        "kernels": kernels.kernels(),
        "onednn_limit": "AVX",
        "threads": 1,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "sessionnet": "1.2",
    }
    assert json.loads(json.dumps(found)) == found

    def unknown(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(identity, "version", unknown)  # it runs from its folder
    assert identity.machine(session(tiny_model()))["sessionnet"] is None


def train(folder, num_epochs, threads, **options):
    """Train or resume; returns the optimizer."""
    model = tiny_model()
    hp = {"batch_size": 16, "num_epochs": num_epochs}
    optimizer = MomentumOptimizer(model, make_set(), AccuracyEvaluator(), **hp)
    config = v1.ConfigProto(intra_op_parallelism_threads=threads)
    with v1.Session(graph=model.graph, config=config) as sess:
        optimizer.train(sess, folder, verbose=False, **options)
    return optimizer


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "learning.training.loop"]


@pytest.mark.fault(49)
def test_a_resume_with_other_threads_is_reported_and_recorded(tmp_path, caplog):
    train(tmp_path, 1, threads=1)
    assert said(caplog) == []
    train(tmp_path, 2, threads=2, resume=True)
    [warning] = said(caplog)
    assert f"resuming {tmp_path} under different conditions (threads is 2, was 1): " in warning
    train(tmp_path, 3, threads=2, resume=True)
    train(tmp_path, 3, threads=1, resume=True)  # nothing is left to compute
    assert len(said(caplog)) == 1
    state = CheckpointStore(tmp_path).newest_state()
    assert [(found["from_step"], found["threads"]) for found in state.machines] == [(0, 1), (3, 2)]


@pytest.mark.fault(49)
def test_a_run_of_an_earlier_version_resumes_silently(tmp_path, caplog):
    train(tmp_path, 1, threads=1)
    path = next(tmp_path.glob("checkpoints/step-*")) / "state.json"
    state = json.loads(path.read_text())
    del state["machines"]
    path.write_text(json.dumps(state))
    path.with_name("checksums.json").unlink()
    optimizer = train(tmp_path, 2, threads=2, resume=True)
    assert [(found["from_step"], found["threads"]) for found in optimizer.state.machines] == [(3, 2)]
    assert said(caplog) == []


def test_only_what_both_records_know_is_compared():
    machines = [{"from_step": 0, "threads": 2, "of another version": 1}]
    assert identity.note_machine(machines, {"threads": 2, "kernels": "Eigen"}, 5) == []
    assert len(machines) == 1
    assert identity.note_machine(machines, {"threads": 4}, 5) == ["threads is 4, was 2"]
    assert machines[1] == {"from_step": 5, "threads": 4}


def test_an_invalid_record_is_refused():
    text = TrainingState().to_json().replace('"machines": []', '"machines": [1]')
    with pytest.raises(CheckpointError, match="machines holds something that is not of type dict"):
        TrainingState.from_json(text, "state.json")


OTHER_KERNELS = """
import json, os, sys
from pathlib import Path
from learning.machine import kernels
kernels.kernel_variables = lambda environment, has: {kernels.SWITCH: sys.argv[2]}
from learning.machine import session
from tests.learning.machine.test_kernels import convolution_ops, train
found = {"kernels": kernels.kernels(), "ops": convolution_ops(), "is_set": kernels.SWITCH in os.environ}
train(Path(sys.argv[1]), 2, threads=1, resume=True)
print(json.dumps(found))
"""


@pytest.mark.fault(49)
def test_the_scripts_import_chooses_the_kernels_and_a_resume_with_others_says_so(tmp_path):
    train(tmp_path, 1, threads=1)
    before, after, switch = ("oneDNN", "Eigen", "0")
    if kernels.kernels() == "Eigen":
        before, after, switch = after, before, "1"
    environment = {key: value for key, value in os.environ.items() if key != kernels.SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_KERNELS, str(tmp_path), switch],
        capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kernels"], found["is_set"]) == (after, False)
    assert with_onednn(found["ops"]) == (after == "oneDNN")
    assert done.stderr.count(f"under different conditions (kernels is '{after}', was '{before}'): ") == 1
    machines = CheckpointStore(tmp_path).newest_state().machines
    assert [(part["from_step"], part["kernels"]) for part in machines] == [(0, before), (3, after)]


# users of the library


@pytest.fixture
def advice(cpu_with, monkeypatch, caplog):
    """Return what `advise_kernels` logs in two calls with these flags, kernels and variables."""

    def call(flags, computes_by, **variables):
        cpu_with(flags)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(identity, "kernels", lambda: computes_by)
        identity.advise_kernels.cache_clear()
        caplog.clear()
        for _ in range(2):
            identity.advise_kernels()
        identity.advise_kernels.cache_clear()
        assert all(record.levelno == logging.WARNING for record in caplog.records)
        return [record.getMessage() for record in caplog.records]

    return call


def test_a_program_without_the_faster_kernels_is_told_once(advice):
    [told] = advice("fpu avx2", "Eigen")
    assert "set TF_ENABLE_ONEDNN_OPTS=1 in the environment before TensorFlow is imported" in told
    assert advice("fpu avx2", "oneDNN") == []
    assert advice("fpu", "Eigen") == []
    assert advice("fpu avx2", "Eigen", TF_ENABLE_ONEDNN_OPTS="0") == []
