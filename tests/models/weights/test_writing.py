"""Files that are written can be read by the programs that they are for, and by ours."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from models.weights.errors import WeightsError
from models.weights.files import read_weights
from models.weights.writing import METADATA, write_weights

TENSORS = {
    "conv/kernel": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "conv/bias": np.ones(3, np.float32),
    "head/scale": np.float32(2.5),
    "head/empty": np.zeros((0, 3), np.float32),
}
FACTS = {"classes": '["cat", "dög"]'}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".pt", ".h5", ".NPZ"])
def test_what_is_written_is_read_again(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_weights(path, TENSORS, FACTS)
    found = read_weights(path).tensors
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found[name], tensor)
        assert found[name].shape == tensor.shape
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_pytorch_reads_its_form(tmp_path):
    torch = pytest.importorskip("torch")
    write_weights(tmp_path / "x.pth", TENSORS, FACTS)
    found = torch.load(tmp_path / "x.pth", weights_only=True)
    assert list(found) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == torch.float32
        np.testing.assert_array_equal(found[name].numpy(), tensor)


def test_a_network_of_pytorch_takes_a_state_dict(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    values = {
        name: np.random.default_rng(0).random(v.shape) for name, v in net.state_dict().items() if v.ndim
    }
    write_weights(tmp_path / "x.pth", values, FACTS)
    net.load_state_dict(torch.load(tmp_path / "x.pth", weights_only=True))
    np.testing.assert_array_equal(net[0].weight.detach().numpy(), values["0.weight"].astype(np.float32))


def test_numpy_and_safetensors_read_theirs_with_what_is_said_of_them(tmp_path):
    write_weights(tmp_path / "x.npz", TENSORS, FACTS)
    with np.load(tmp_path / "x.npz") as archive:
        np.testing.assert_array_equal(archive["conv/kernel"], TENSORS["conv/kernel"])
        assert json.loads(str(archive[METADATA])) == FACTS
    write_weights(tmp_path / "x.safetensors", TENSORS, FACTS)
    with safe_open(tmp_path / "x.safetensors", "numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("conv/kernel"), TENSORS["conv/kernel"])
        assert file.metadata() == {"format": "pt", **FACTS}


@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5"])
def test_keras_reads_its_forms(tmp_path, name):
    import h5py
    from tensorflow import keras

    layers = [keras.layers.Dense(4, name="one"), keras.layers.BatchNormalization(name="two")]
    net = keras.Sequential([keras.Input((3,)), *layers])
    rng = np.random.default_rng(0)
    values = {
        "one/kernel": rng.random((3, 4)), "one/bias": rng.random(4), "two/gamma": rng.random(4),
        "two/beta": rng.random(4), "two/moving_mean": rng.random(4), "two/moving_variance": rng.random(4),
    }  # fmt: skip
    write_weights(tmp_path / name, values, FACTS)
    net.load_weights(tmp_path / name)
    for found, value in zip(net.get_weights(), values.values(), strict=True):
        np.testing.assert_array_equal(found, value.astype(np.float32))
    assert read_weights(tmp_path / name).tensors.keys() == values.keys()
    with h5py.File(tmp_path / name) as file:
        assert json.loads(file[METADATA][()].tobytes()) == FACTS


@pytest.mark.parametrize(
    ("name", "tensors", "message"),
    [
        ("x.weights", TENSORS, "its name must end in one of .npz, .safetensors, .pth, .pt, .weights.h5, .h5"),
        ("x.weights.h5", TENSORS, "the layer head is not a convolution, batch normalisation or dense layer"),
        ("there.npz", TENSORS, "exists; choose another name, or remove it first"),
        ("absent/x.npz", TENSORS, "cannot write '.*': No such file or directory; give another place"),
        ("x.h5", {"kernel": np.ones(3)}, "is not named LAYER/WEIGHT"),
        ("x.npz", {METADATA: np.ones(3)}, "a tensor is called metadata"),
    ],
)
def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path, name, tensors, message):
    (tmp_path / "there.npz").write_bytes(b"precious")
    with pytest.raises(WeightsError, match=message):
        write_weights(tmp_path / name, tensors, FACTS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"there.npz": b"precious"}
