"""benchmarks/harness/hardware.py: the machine, and the kernels of each contestant."""

import os

import pytest

from benchmarks.harness import hardware, libraries, results
from benchmarks.harness.benchmark import Benchmark, conditions
from learning.machine.kernels import SWITCH


@pytest.fixture
def avx512(cpu_with, monkeypatch):
    """A processor with AVX-512 and bfloat16, without a limit."""
    cpu_with("fpu avx2 avx512f avx512_vnni avx512_bf16")
    for variable in hardware.LIMITS["avx2"]:
        monkeypatch.setenv(variable, "")  # so that what is set in the test goes again
        monkeypatch.delenv(variable)


def test_a_processor_as_it_is(avx512):
    assert hardware.facts()["played"] is None
    assert (hardware.project_kernels(), hardware.emulation()) == ("oneDNN", "")
    assert not hardware.leaves_onednn_off()
    assert SWITCH not in hardware.peer_environment()  # TensorFlow decides by itself
    assert hardware.facts()["peer_kernels"] == "oneDNN"


def test_a_processor_limited_to_avx2(avx512):
    benchmark = Benchmark(name="x", text="Text.", steps=None, table=None)
    found = conditions(benchmark.parse(["--isa", "avx2"]))["environment"]
    assert (found["played"], found["onednn_limit"], found["kernels"]) == ("avx2", "AVX2", "oneDNN")
    assert "avx512_bf16" in found["flags"]
    assert {**hardware.LIMITS["avx2"], **os.environ} == os.environ
    assert hardware.emulation() == "oneDNN is limited to AVX2"
    assert hardware.peer_environment()[SWITCH] == "0"
    assert hardware.peer_environment(onednn=True)[SWITCH] == "1"
    assert found["peer_kernels"] == "Eigen"


def test_a_processor_without_avx512_has_no_limit(cpu_with, monkeypatch):
    cpu_with("fpu avx2")
    for variable, value in hardware.LIMITS["avx2"].items():
        monkeypatch.setenv(variable, value)
    assert results.environment(threads=1)["played"] is None
    assert (hardware.project_kernels(), hardware.leaves_onednn_off()) == ("oneDNN", True)
    assert hardware.emulation() == "the processor has neither amx_bf16 nor avx512_bf16"


def test_what_torch_compiles_is_limited_too(avx512, monkeypatch):
    cpp_builder = pytest.importorskip("torch._inductor.cpp_builder")
    config = pytest.importorskip("torch._inductor.config")
    cpu_vec_isa = pytest.importorskip("torch._inductor.cpu_vec_isa")
    if not hasattr(config.cpp, "march"):
        pytest.skip("this PyTorch does not know TORCHINDUCTOR_CPP_MARCH")
    hardware.limit_to("avx2")
    march = os.environ["TORCHINDUCTOR_CPP_MARCH"]  # read when PyTorch is imported
    monkeypatch.setattr(config.cpp, "march", march)
    assert "march=x86-64-v3" in cpp_builder._get_cpu_arch_cflags("g++")
    isa = cpu_vec_isa.get_isa_from_cpu_capability(
        os.environ["ATEN_CPU_CAPABILITY"], [cpu_vec_isa.VecAVX512(), cpu_vec_isa.VecAVX2()], None
    )
    assert str(isa) == "avx2"


def test_the_users_choice_applies_to_the_project_but_not_its_peers(cpu_with, monkeypatch):
    cpu_with("fpu avx2")
    for switch, ours in (("0", "Eigen"), ("1", "oneDNN")):
        monkeypatch.setenv(SWITCH, switch)
        assert hardware.project_kernels() == ours
        assert hardware.leaves_onednn_off()  # so that Keras takes part with oneDNN too
        assert SWITCH not in hardware.peer_environment()
        assert hardware.peer_environment(onednn=True)[SWITCH] == "1"


def test_bfloat16_is_emulated_where_the_user_has_switched_onednn_off(avx512, monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    assert "oneDNN kernels are off" in hardware.emulation()


def test_tensorflow_chooses_by_itself_on_an_unknown_processor(cpu_with):
    cpu_with(None)
    assert hardware.project_kernels() == hardware.facts()["peer_kernels"] == "unknown"
    assert SWITCH not in hardware.peer_environment()
    assert not hardware.leaves_onednn_off()


@pytest.mark.parametrize(("onednn", "expected"), [(False, None), (True, "1")])
@pytest.mark.parametrize("exported", [None, "0"])
def test_a_peer_imports_tensorflow_with_its_kernels_and_leaves_the_environment(
    cpu_with, monkeypatch, onednn, expected, exported
):
    cpu_with("fpu avx2")
    if exported is not None:
        monkeypatch.setenv(SWITCH, exported)
    seen = []
    monkeypatch.setattr(libraries, "kernels", lambda: "oneDNN")
    monkeypatch.setattr("builtins.__import__", noting(seen, __import__))
    libraries.tensorflow(0, onednn=onednn)
    assert seen[0] == expected
    assert os.environ.get(SWITCH) == exported


def test_a_peer_does_not_compute_under_the_name_of_other_kernels(monkeypatch):
    monkeypatch.setattr(libraries, "kernels", lambda: "Eigen")  # as where TensorFlow was imported before
    with pytest.raises(RuntimeError, match="Eigen's kernels although oneDNN was switched on"):
        libraries.tensorflow(0, onednn=True)


def noting(seen, importing):
    """Import, and note the value of the switch when TensorFlow is imported."""

    def call(name, *arguments):
        if name == "tensorflow":
            seen.append(os.environ.get(SWITCH))
        return importing(name, *arguments)

    return call
