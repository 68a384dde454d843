import numpy as np
import pytest

from benchmarks.harness import hardware
from benchmarks.harness.turns import PROJECT
from benchmarks.speed import memory
from tests.benchmarks.speed.conftest import PEERS


@pytest.mark.long
def test_memory(quick):
    kept = np.ones(400_000_000, np.uint8)
    rows = quick(memory.main)["peaks"]
    names = {PROJECT, f"{PROJECT}, {memory.FEW} images", *PEERS}
    assert {row["contestant"] for row in rows if row.get("peak_bytes", 0) > kept.nbytes} == names
    assert {row["precision"] for row in rows} == {"float32" if hardware.emulation() else "bfloat16"}


def test_a_peer_whose_memory_cannot_be_measured_is_left_out(tmp_path, monkeypatch):
    def call(function, name, *case, quick):
        raise ImportError(f"No module named '{name}'\nmore")

    monkeypatch.setattr(memory, "call_fresh", call)
    row = memory._row("torch", tmp_path, memory.QUICK, "bfloat16", quick=True)
    assert row["left_out"] == "ImportError: No module named 'torch'"
    with pytest.raises(ImportError):
        memory._row(PROJECT, tmp_path, memory.QUICK, "bfloat16", quick=True)
