"""Files of safetensors are read, in all precisions that weights are kept in."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.weights.errors import WeightsError
from models.weights.files import read_weights
from tests.support.made_weights import taking_less_than

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_what_the_library_writes(tmp_path):
    tensors = {"a.weight": VALUES, "half": VALUES.astype(np.float16), "double": VALUES.astype(np.float64)}
    save_file({**tensors, "steps": np.array([3])}, tmp_path / "x", metadata={"format": "pt"})
    weights = read_weights(tmp_path / "x")
    assert weights.kind == "safetensors" and weights.tensors.keys() == tensors.keys()
    for tensor in weights.tensors.values():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, VALUES)


def test_bfloat16_are_the_upper_bits_of_float32(tmp_path):
    bits = (VALUES.view(np.uint32) >> 16).astype("<u2")
    header = {"w": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    np.testing.assert_array_equal(
        read_weights(write(tmp_path / "x", header, bits.tobytes())).tensors["w"], VALUES
    )


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 2**60]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
        {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]},
        {"dtype": "X9", "shape": [2, 3], "data_offsets": [0, 24]},
        {"shape": [2, 3]},
    ],
)
def test_a_header_that_lies_is_refused_without_taking_memory(tmp_path, entry):
    path = write(tmp_path / "x", {"w": entry}, bytes(24))
    with (
        taking_less_than(5e6),
        pytest.raises(
            WeightsError, match=r"^cannot read weights from '\S+': it is damaged or of another format"
        ),
    ):
        read_weights(path)


@pytest.mark.fault(52)
def test_a_huge_header_is_no_header(tmp_path):
    (tmp_path / "x").write_bytes(struct.pack("<Q", 2**40) + b"{")
    with pytest.raises(WeightsError, match="by its content"):
        read_weights(tmp_path / "x")
