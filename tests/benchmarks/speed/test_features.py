"""benchmarks/speed/features.py."""

import importlib.util

import numpy as np
import pytest

from benchmarks.harness.turns import PROJECT
from benchmarks.speed import features
from models.weights.packaged import PACKAGES
from tests.benchmarks.speed.conftest import HAS_TORCH

HAS_ONNX = all(map(importlib.util.find_spec, ("onnx", "onnxruntime")))
FOUND = {
    "work": features.QUICK._asdict(),
    "largest_differences": {"torch": 2e-6, "onnxruntime": 3e-6},
    "images_per_second": {PROJECT: {"median": 30.0}},
    "rates": {PROJECT: [30.0], "torch": [10.0], "torch compiled": [15.0], "onnxruntime": [20.0]},
}


def test_the_features_of_all_agree(quick):
    if importlib.util.find_spec(PACKAGES[features.NETWORK].name.replace("-", "_")) is None:
        pytest.skip("the weights are not installed")
    found = quick(features.main)
    peers = set(["torch"] * HAS_TORCH + ["onnxruntime"] * (HAS_TORCH and HAS_ONNX))
    assert found["images_per_second"].keys() == {PROJECT, *peers}
    assert found["largest_differences"].keys() == peers
    assert max(found["largest_differences"].values(), default=0.0) < 1e-4


def test_other_features_are_an_error(quick, monkeypatch):
    def step_of(name, work, folder):
        np.save(folder / name, np.full((2, 3), 0.002 * (name != PROJECT), np.float32))
        return lambda: 1

    monkeypatch.setattr(features, "step_of", step_of)
    with pytest.raises(RuntimeError, match=r"differ by more than 0.001, .*: torch 0.002, onnxruntime 0.002"):
        quick(features.main)


def test_a_row_has_the_fastest_setting_of_pytorch():
    assert features.table(FOUND).splitlines()[-1] == (
        "| 3 of 32x32, batches of 2 | 30 | 2.00 (2.00 to 2.00) compiled | 1.50 (1.50 to 1.50) | 1.0 | 3e-06 |"
    )
