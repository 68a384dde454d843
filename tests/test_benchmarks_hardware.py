"""On what the benchmarks measure, and with which kernels each contestant computes."""

import os

import pytest

from benchmarks import commands, figures, hardware, libraries
from learning.kernels import SWITCH


@pytest.fixture
def avx512(cpu, monkeypatch):
    """A processor with AVX-512 and bfloat16 that plays nothing."""
    cpu("fpu avx2 avx512f avx512_vnni avx512_bf16")
    for variable in hardware.PLAYED["avx2"]:
        monkeypatch.setenv(variable, "")  # so that what is set in the test goes again
        monkeypatch.delenv(variable)


def test_a_processor_as_it_is(avx512):
    assert hardware.facts()["played"] is None
    assert (hardware.project_kernels(), hardware.emulation()) == ("oneDNN", "")
    assert not hardware.leaves_onednn_off()
    assert hardware.peer_variables() == {SWITCH: "1"}  # as it is by itself


def test_a_processor_that_plays_one_with_avx2(avx512, monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "--isa", "avx2"])
    arguments = commands.parse_measurement(commands.measurement_parser("x", "Text."))
    found = commands.conditions(arguments)["environment"]
    assert (found["played"], found["onednn_limit"], found["kernels"]) == ("avx2", "AVX2", "oneDNN")
    assert "avx512_bf16" in found["flags"]
    assert {**hardware.PLAYED["avx2"], **os.environ} == os.environ
    assert hardware.emulation() == "oneDNN is limited to AVX2"
    assert hardware.peer_variables() == {SWITCH: "0"}
    assert hardware.peer_variables(onednn=True) == {SWITCH: "1"}


def test_a_processor_with_no_more_plays_nothing(cpu, monkeypatch):
    cpu("fpu avx2")
    for variable, value in hardware.PLAYED["avx2"].items():
        monkeypatch.setenv(variable, value)
    assert figures.environment(threads=1)["played"] is None
    assert (hardware.project_kernels(), hardware.leaves_onednn_off()) == ("oneDNN", True)
    assert hardware.emulation() == "the processor has neither amx_bf16 nor avx512_bf16"


def test_what_the_user_has_decided_stays(avx512, monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    assert (hardware.project_kernels(), hardware.peer_variables(onednn=True)) == ("Eigen", {})
    assert "oneDNN kernels are off" in hardware.emulation()


def test_nothing_is_said_to_tensorflow_on_an_unknown_processor(cpu):
    cpu(None)
    assert (hardware.project_kernels(), hardware.peer_variables()) == ("unknown", {})
    assert not hardware.leaves_onednn_off()


@pytest.mark.parametrize(("onednn", "expected"), [(False, "0"), (True, "1")])
def test_a_peer_imports_tensorflow_with_its_kernels_and_leaves_the_environment(
    cpu, monkeypatch, onednn, expected
):
    cpu("fpu avx2")
    seen = []
    monkeypatch.setattr("builtins.__import__", noting(seen, __import__))
    libraries.tensorflow(0, onednn=onednn)
    assert seen[0] == expected
    assert SWITCH not in os.environ


def noting(seen, importing):
    """`__import__` that keeps what the switch is when TensorFlow is imported."""

    def call(name, *arguments):
        if name == "tensorflow":
            seen.append(os.environ.get(SWITCH))
        return importing(name, *arguments)

    return call
