"""benchmarks/speed/exports.py."""

import importlib.util

import numpy as np
import pytest

from benchmarks.harness.turns import PROJECT
from benchmarks.speed import exports

RATES = {PROJECT: [10.0, 12.0], "saved_model": [5.0, 12.0], "tflite": [20.0, 24.0], "onnx": [30.0, 30.0]}
FOUND = {
    "bytes": {"onnx": 19_160_000, "saved_model": 18_600_000, "tflite": 18_560_000, "tflite-int8": 5_260_000},
    "batches": {
        "1": {
            "images_per_second": {name: {"median": sum(values) / 2} for name, values in RATES.items()},
            "rates": RATES,
        }
    },
}


@pytest.fixture
def installed():
    names = ["tf2onnx", "onnxruntime", "ai_edge_litert"]
    if not all(map(importlib.util.find_spec, names)):
        pytest.skip("the extra export is not installed")


def test_all_formats_agree(quick, installed):
    found = quick(exports.main)
    assert found["batches"].keys() == {"1", "32"}
    for batch in found["batches"].values():
        assert batch["left_out"] == {}
        assert batch["images_per_second"].keys() == exports.WAYS.keys()
        assert max(batch["differences"].values()) < 1e-4
    assert found["bytes"]["tflite-int8"] < 0.5 * found["bytes"]["tflite"]


def test_other_probabilities_are_an_error(quick, monkeypatch):
    def step_of(name, batch_size, work, folder):
        np.save(folder / f"{name}-{batch_size}", np.full((2, 3), 0.002 * (name == "onnx"), np.float32))
        return lambda: 1

    monkeypatch.setattr(exports, "step_of", step_of)
    monkeypatch.setattr(exports, "write_exports", lambda work, folder: None)
    with pytest.raises(RuntimeError, match=r"differ by more than 0.001, .*: .*onnx 0.002"):
        quick(exports.main)


def test_the_table_has_sizes_rates_and_ratios():
    assert exports.table(FOUND).splitlines() == [
        "| format | MB | images/s, 1 at a time | to `predict.py` |",
        "| --- | --- | --- | --- |",
        "| `predict.py` |  | 11 |  |",
        "| saved_model | 18.6 | 8.5 | 0.75 (0.50 to 1.00) |",
        "| tflite | 18.6 | 22 | 2.00 (2.00 to 2.00) |",
        "| tflite-int8 | 5.3 | left out |  |",
        "| onnx | 19.2 | 30 | 2.75 (2.50 to 3.00) |",
    ]
