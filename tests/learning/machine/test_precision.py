"""learning/machine/precision.py: the precision that auto chooses on each machine."""

import dataclasses

import pytest
import tensorflow as tf

from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import UsageError
from learning.machine import precision
from learning.runs.network import build_model
from models.runtime import cpu

AUTO = RunConfig(model=ModelConfig(precision="auto"))


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Pretend a machine: flags of its processor, compute capabilities of its GPUs, TensorFlow's kernels."""
    for variable in cpu.LIMIT_VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    def make(flags=None, capabilities=(), computes_by="oneDNN"):
        monkeypatch.setattr(precision, "kernels", lambda: computes_by)
        path = tmp_path / "cpuinfo"
        if flags is not None:
            path.write_text(
                f"processor\t: 0\nmodel name\t: a processor\nflags\t\t: {flags}\n", encoding="utf-8"
            )
        monkeypatch.setattr(cpu, "CPU_INFO", path)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(capabilities))
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": gpu}
        )

    return make


@pytest.mark.parametrize(
    ("flags", "capabilities", "expected", "reason"),
    [
        ("fpu avx2 avx512_bf16", (), "bfloat16", "the processor has avx512_bf16"),
        ("amx_bf16 amx_tile avx512_bf16", (), "bfloat16", "the processor has amx_bf16 and avx512_bf16"),
        ("fpu avx2", (), "float32", "the processor has neither amx_bf16 nor avx512_bf16"),
        (None, (), "float32", "the processor has neither"),
        ("fpu", [(8, 0)], "bfloat16", "the GPU has compute capability 8.0"),
        ("avx512_bf16", [(7, 5)], "float32", "the GPU has compute capability 7.5"),
    ],
)
def test_auto_takes_what_the_machine_is_fast_in(machine, flags, capabilities, expected, reason):
    machine(flags, capabilities)
    config, said = precision.with_precision(AUTO)
    assert config == dataclasses.replace(AUTO, model=ModelConfig(precision=expected))
    assert said.startswith(f"precision auto: {expected}, {reason}")


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_was_asked_for_stays(machine, name):
    machine("avx512_bf16")
    config = RunConfig(model=ModelConfig(precision=name))
    assert precision.with_precision(config) == (config, "")


@pytest.mark.parametrize(
    ("limit", "computes_by", "expected", "reason"),
    [
        ("AVX512_CORE_AMX", "oneDNN", "bfloat16", "the processor has avx512_bf16"),
        ("AVX512_CORE", "oneDNN", "float32", "oneDNN is limited to AVX512_CORE"),
        ("AVX2", "oneDNN", "float32", "oneDNN is limited to AVX2"),
        (None, "Eigen", "float32", "TensorFlow's oneDNN kernels are off"),
        (None, "unknown", "bfloat16", "the processor has avx512_bf16"),
    ],
)
def test_auto_looks_at_what_the_kernels_use(machine, monkeypatch, limit, computes_by, expected, reason):
    machine("avx2 avx512f avx512_bf16", computes_by=computes_by)
    if limit is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    found, why = precision.fast_precision()
    assert found == expected
    assert why.startswith(reason)


@pytest.fixture
def warnings(caplog):
    """Return what is logged, as if emulation had not been warned of in this process."""
    precision._warn_of_emulation.cache_clear()
    yield lambda: [record.getMessage() for record in caplog.records]
    precision._warn_of_emulation.cache_clear()


def test_emulated_bfloat16_is_a_warning_and_only_one(machine, warnings):
    machine("fpu avx2")
    for _ in range(2):  # train.py, and the optimizer after it
        precision.with_precision(RunConfig(model=ModelConfig(precision="bfloat16")))
        precision.check_precision("bfloat16")
    [warning] = warnings()
    assert warning.startswith("bfloat16 is emulated here and takes several times as long as float32 ")
    assert "12 against 44 images/s): the processor has neither amx_bf16 nor avx512_bf16; " in warning


@pytest.mark.parametrize(
    ("flags", "capabilities", "name"),
    [("fpu avx2", (), "float32"), ("avx512_bf16", (), "bfloat16"), ("avx2", [(8, 0)], "bfloat16")],
)
def test_native_bfloat16_gives_no_warning(machine, warnings, flags, capabilities, name):
    machine(flags, capabilities)
    precision.check_precision(name)
    assert warnings() == []


def test_bfloat16_that_a_limit_takes_from_onednn_is_refused(machine, warnings, monkeypatch):
    machine("avx2 avx512f avx512_bf16")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    with pytest.raises(UsageError, match="bfloat16 cannot be computed here: ONEDNN_MAX_CPU_ISA is AVX2"):
        precision.with_precision(RunConfig(model=ModelConfig(precision="bfloat16")))
    machine("avx2 avx512f avx512_bf16", computes_by="Eigen")  # slow, but it can
    precision.check_precision("bfloat16")
    assert len(warnings()) == 1


def test_the_precision_is_chosen_before_a_network_is_built():
    with pytest.raises(UsageError, match="'auto' and was not chosen yet"):
        build_model(AUTO, (28, 28, 1), 10)


@pytest.mark.parametrize(
    ("flags", "taken"), [("fpu avx2", "float32"), ("fpu avx2 avx512f avx512_bf16", "bfloat16")]
)
def test_a_run_in_bfloat16_predicts_in_what_is_fast_here(flags, taken, machine, warnings):
    machine(flags)
    config = RunConfig(model=ModelConfig(precision="bfloat16"))
    assert precision.for_prediction(config).model.precision == taken
    assert len(warnings()) == (taken == "float32")
    plain = RunConfig(model=ModelConfig(precision="float32"))
    assert precision.for_prediction(plain) is plain
