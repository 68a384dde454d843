"""learning/precision.py: what auto takes on which machine."""

import dataclasses

import pytest
import tensorflow as tf

from learning import precision, processor
from learning.config import ModelConfig, RunConfig
from learning.errors import UsageError
from learning.experiment import build_model

AUTO = RunConfig(model=ModelConfig(precision="auto"))


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with these flags of the processor and these GPUs, each by its compute capability."""

    def make(flags=None, capabilities=()):
        path = tmp_path / "cpuinfo"
        if flags is not None:
            path.write_text(
                f"processor\t: 0\nmodel name\t: a processor\nflags\t\t: {flags}\n", encoding="utf-8"
            )
        monkeypatch.setattr(processor, "CPU_INFO", path)
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


def test_no_network_is_built_before_the_choice():
    with pytest.raises(UsageError, match="'auto' and was not chosen yet"):
        build_model(AUTO, (28, 28, 1), 10)
