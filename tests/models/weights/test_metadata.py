"""models/weights/metadata.py: the classes in our own exports, and none in other files."""

import json

import numpy as np
import pytest

from models.weights.metadata import class_names
from models.weights.writing import write_weights

TENSORS = {"w": np.ones(2, np.float32)}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_classes_of_an_export(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    write_weights(path, TENSORS, {"classes": json.dumps(["cat", "dög"])})
    assert class_names(path) == ("cat", "dög")


@pytest.mark.fault(52)
@pytest.mark.parametrize("classes", ["", "7", "[1, 2]", '{"a": 1}', "[" * 100_000])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_other_metadata_say_nothing(tmp_path, suffix, classes):
    path = tmp_path / f"net{suffix}"
    write_weights(path, TENSORS, {"classes": classes})
    assert class_names(path) is None


@pytest.mark.fault(52)
def test_other_files_say_nothing(tmp_path):
    np.savez(tmp_path / "x.npz", **TENSORS)
    np.savez(tmp_path / "y.npz", **TENSORS, metadata=np.array([{}], object))
    (tmp_path / "short").write_bytes(b"\x01")
    (tmp_path / "long").write_bytes(b"\xff" * 100)
    for name in ("x.npz", "y.npz", "short", "long", "absent", "."):
        assert class_names(tmp_path / name) is None, name
