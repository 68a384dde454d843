"""Weights of Keras have the same names in all of its formats, and damaged HDF5 files end in an error."""

import io

import h5py
import numpy as np
import pytest

from models.weights.errors import WeightsError
from models.weights.files import read_weights

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)
LAYERS = {"conv1_conv": ["kernel", "bias"], "conv1_bn": ["gamma", "beta", "moving_mean", "moving_variance"]}


@pytest.fixture(scope="module")
def model():
    """A small network of Keras with a name for every layer, and values that all differ."""
    from tensorflow import keras

    layers = keras.layers
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv1_conv")(images)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise", use_bias=False)(x)
    x = layers.Conv2D(4, 1, name="last_conv", use_bias=False)(x)
    x = layers.BatchNormalization(name="scaled", center=False)(x)
    x = layers.Dense(3, name="predictions")(layers.Flatten()(x))
    made = keras.Model(images, x)
    rng = np.random.default_rng(0)
    made.set_weights([rng.random(value.shape, np.float32) for value in made.get_weights()])
    made.compile("adam", "mse")
    return made


def write_older(file, layers=LAYERS, texts=lambda names: names, suffix=""):
    """Write weights as Keras 2 and the older format of Keras 3 do."""
    file.attrs["layer_names"] = texts(list(layers))
    for layer, weights in layers.items():
        group = file.create_group(layer)
        group.attrs["weight_names"] = texts([f"{layer}/{weight}{suffix}" for weight in weights])
        for weight in weights:
            group[f"{layer}/{weight}{suffix}"] = KERNEL


@pytest.mark.parametrize("name", ["net.weights.h5", "net.keras", "net.h5"])
def test_what_keras_writes(model, tmp_path, name):
    save = model.save_weights if ".weights" in name else model.save
    save(tmp_path / name)
    weights = read_weights(tmp_path / name)
    assert weights.kind == "keras"
    values = {
        f"{layer.name}/{variable.name}": np.asarray(value)
        for layer in model.layers
        for variable, value in zip(layer.weights, layer.get_weights(), strict=True)
    }
    values = {key.replace(":0", ""): value for key, value in values.items()}
    if name != "net.h5":  # which of scale and offset is missing is not in the file
        scaled = [key for key in values if key.startswith("scaled/")]
        values |= {f"scaled/{index}": values.pop(key) for index, key in enumerate(scaled)}
    assert weights.tensors.keys() == values.keys()
    for key, value in values.items():
        np.testing.assert_array_equal(weights.tensors[key], value, err_msg=key)


@pytest.mark.parametrize("texts", [lambda names: names, np.bytes_], ids=["variable", "fixed"])
@pytest.mark.parametrize("suffix", ["", ":0"])
def test_files_of_keras_2(tmp_path, texts, suffix):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write_older(file, texts=texts, suffix=suffix)
    weights = read_weights(tmp_path / "x.h5")
    assert weights.tensors.keys() == {
        f"{layer}/{weight}" for layer, names in LAYERS.items() for weight in names
    }
    np.testing.assert_array_equal(weights.tensors["conv1_conv/kernel"], KERNEL)


def test_names_of_models_around_layers_are_left_out(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = ["resnet50", "head"]
        file["resnet50/conv1_conv/kernel"] = KERNEL
        file["head/sequential/head/kernel"] = KERNEL
    assert read_weights(tmp_path / "x.h5").tensors.keys() == {"conv1_conv/kernel", "head/kernel"}


def test_many_layers_and_every_precision(tmp_path):
    kinds = ("<f2", "<f4", "<f8", ">f4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = ["see the groups"]
        file.attrs["model_config"] = "{}" * 20_000
        for index in range(900):
            file[f"layer{index}/layer{index}/kernel"] = (KERNEL + index).astype(kinds[index % 4])
        file["steps/count"] = np.arange(3)
    tensors = read_weights(tmp_path / "x.h5").tensors
    assert len(tensors) == 900
    for index in (0, 1, 2, 3, 899):
        np.testing.assert_array_equal(tensors[f"layer{index}/kernel"], KERNEL + index)


def test_bfloat16_of_keras_3(tmp_path):
    from tensorflow import bfloat16, keras

    layer = keras.layers.Dense(4, name="head", dtype=keras.mixed_precision.Policy("bfloat16"))
    net = keras.Sequential([keras.Input((3,)), layer])
    net.save_weights(tmp_path / "x.weights.h5")
    kernel = layer.get_weights()[0]
    assert kernel.dtype == bfloat16.as_numpy_dtype
    np.testing.assert_array_equal(
        read_weights(tmp_path / "x.weights.h5").tensors["head/kernel"], kernel.astype("f4")
    )


def _external(file, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(48))
    file.create_dataset("a/kernel", (3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 48)])


def _virtual(file, tmp_path):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 4))
    file.create_virtual_dataset("a/kernel", layout)


def _circle(file, tmp_path):
    file["a/b"] = KERNEL
    file["a/again"] = file["a"]


def _soft_link(file, tmp_path):
    file["a/kernel"] = h5py.SoftLink("/b")


def _external_link(file, tmp_path):
    file["a/kernel"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")


def _chunks(file, tmp_path):
    file.create_dataset("a/kernel", data=KERNEL, chunks=(1, 2))


def _packed(file, tmp_path):
    file.create_dataset("a/kernel", (10**6, 10**6), "f4", compression="gzip")


def _opaque(file, tmp_path):
    file["a/kernel"] = np.zeros(3, "V2")


def _unwritten(file, tmp_path):
    file.create_dataset("a/kernel", (10**5, 10**5), "f4")


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    "make", [_external, _virtual, _circle, _soft_link, _external_link, _chunks, _packed, _opaque, _unwritten]
)
def test_what_keras_does_not_write_is_refused(tmp_path, make):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = ["a"]
        make(file, tmp_path)
    with pytest.raises(WeightsError, match=r"^cannot read weights from '\S+': [^\n]*"):
        read_weights(tmp_path / "x.h5")


@pytest.mark.fault(52)
def test_other_hdf5_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = KERNEL
    with pytest.raises(WeightsError, match="an HDF5 file, but not of Keras' weights"):
        read_weights(tmp_path / "x.h5")
    with h5py.File(tmp_path / "y.h5", "w", libver="latest") as file:
        write_older(file)
    with pytest.raises(WeightsError, match="HDF5 of a newer form; write it again"):
        read_weights(tmp_path / "y.h5")


@pytest.mark.fault(52)
def test_a_heap_of_texts_without_sizes_ends(tmp_path):
    """h5py reads such a heap without end."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        write_older(file)
    whole = bytearray(content.getvalue())
    start = whole.index(b"GCOL")
    whole[start + 16 :] = bytes(len(whole) - start - 16)
    (tmp_path / "x.h5").write_bytes(whole)
    with pytest.raises(WeightsError, match="cannot read weights"):
        read_weights(tmp_path / "x.h5")
