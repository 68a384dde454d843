"""Damaged files of weights, the same in each run: each is read, or refused in one line.

`FUZZ=50 python -m pytest tests/models/weights/test_damaged_weights.py` tries fifty times as many.
"""

import io

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from models.weights.errors import WeightsError
from models.weights.files import read_weights
from tests.models.weights.readers.test_torch_files import VALUES, pickle_of, tensor, write_zip
from tests.support.fuzzing import damaged, often
from tests.support.made_weights import doubled, npy_of_pickle, object_npy, taking_less_than

ARRAYS = {"a": VALUES.reshape(2, 3), "b": np.ones(4, np.float32)}
SHAPES = {(2, 3), (4,)}


def npz():
    file = io.BytesIO()
    np.savez(file, **ARRAYS)
    return file.getvalue()


def older_torch():
    head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02M\xe9\x03.\x80\x02}."
    numbers = VALUES.size.to_bytes(8, "little") + VALUES.tobytes()
    return head + pickle_of(a=tensor(), b=tensor(shape=(4,), strides=(1,))) + b"\x80\x02]U\x010a." + numbers


def keras(version):
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        if version == 2:
            written.attrs["layer_names"] = ["conv", "head"]
            written["conv/conv/kernel:0"], written["head/head/kernel:0"] = ARRAYS.values()
        else:
            written["layers/conv2d/vars/0"], written["layers/conv2d_1/vars/0"] = ARRAYS.values()
            written["layers/conv2d/vars"].attrs["name"] = "conv"
            written["layers/conv2d_1/vars"].attrs["name"] = "head"
    return file.getvalue()


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with tf.Graph().as_default(), v1.Session() as sess:
        for name, value in ARRAYS.items():
            v1.get_variable(name, initializer=value, use_resource=False)
        sess.run(v1.global_variables_initializer())
        v1.train.Saver(write_version=1).save(sess, str(folder / "m"), write_meta_graph=False)
    torch_zip = write_zip(
        folder / "z", pickle_of(a=tensor(), b=tensor(shape=(4,), strides=(1,))), data_0=VALUES
    )
    return {
        "npz": npz(), "npy": object_npy({"x": list(ARRAYS.values())}), "safetensors": save(ARRAYS),
        "zip": torch_zip.read_bytes(), "older": older_torch(), "keras 2": keras(2), "keras 3": keras(3),
        "tensorflow": (folder / "m").read_bytes(),
    }  # fmt: skip


KINDS = ["npz", "npy", "safetensors", "zip", "older", "keras 2", "keras 3", "tensorflow"]


def read(path, content):
    """Return the tensors, or None if the file is refused in one line."""
    path.write_bytes(content)
    try:
        tensors = read_weights(path).tensors
    except WeightsError as error:
        assert str(error).startswith(f"cannot read weights from '{path}': ") and str(error).isprintable()
        assert len(str(error)) < 600
        return None
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in tensors.values())
    return tensors


@pytest.mark.fault(52)
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(tmp_path, wholes, kind):
    whole = read(tmp_path / "x", wholes[kind])
    assert {value.shape for value in whole.values()} == SHAPES
    rng = np.random.default_rng(sum(kind.encode()))
    found = [read(tmp_path / "x", damaged(wholes[kind], rng)) for _ in range(often(150))]
    assert None in found


@pytest.mark.fault(52)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, wholes, kind):
    content = wholes[kind]
    whole = read(tmp_path / "x", content)
    step = max(1, len(content) // often(200))
    for size in range(0, len(content), step):
        found = read(tmp_path / "x", content[:size])
        if found is not None:  # the end of HDF5 is room
            assert found.keys() == whole.keys()
            assert all(np.array_equal(found[name], whole[name]) for name in whole)


@pytest.mark.fault(52)
@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_one_changed_byte_of_a_checkpoint_is_refused_or_read_right(tmp_path, suffix):
    with tf.Graph().as_default(), v1.Session() as sess:
        for name, value in ARRAYS.items():
            v1.get_variable(name, initializer=value)
        sess.run(v1.global_variables_initializer())
        v1.train.Saver().save(sess, str(tmp_path / "m"), write_meta_graph=False, write_state=False)
    file = tmp_path / f"m.{suffix}"
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= rng.integers(1, 256)
        file.write_bytes(changed)
        try:
            tensors = read_weights(tmp_path / "m").tensors
        except WeightsError:
            continue
        assert all(np.array_equal(tensors[name], ARRAYS[name]) for name in ARRAYS)


LIST, LIST_NOW = doubled(22)  # its text has 25 million characters
TUPLE, TUPLE_NOW = doubled(100, b"t", b")")  # its hash would take centuries
ARRAYS_OF_ARRAYS = b"".join(
    b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x02\x85cnumpy\ndtype\nU\x01O\x85R\x89%stbq%c"
    % (inside, n)
    for n, inside in enumerate([b"]", *(b"(h%ch%cl" % (n, n) for n in range(100))])
)
OLDER_HEAD = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"


def with_key(key):
    """The pickle of a storage."""
    return b"(U\x07storagectorch\nFloatStorage\n" + key + b"U\x03cpuK\x06tQ"


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("zip", LIST + LIST_NOW + b")R.", "calls list, which is not a function"),
        ("zip", LIST + with_key(LIST_NOW) + b".", "numbers of an unknown kind"),
        ("zip", TUPLE + with_key(TUPLE_NOW) + b".", "numbers of an unknown kind"),
        (
            "zip",
            LIST + tensor(shape=(), strides=()).replace(b"(t(t", b"(" + LIST_NOW + b"t)") + b".",
            r"shape \(list\)",
        ),
        ("older", LIST + LIST_NOW + b".N.N.", "version list of PyTorch's format"),
        (
            "older",
            b"M\xe9\x03.N.}." + TUPLE + b"(" + TUPLE_NOW + b"l.",
            "numbers tuple that belong to no tensor",
        ),
        ("npy", ARRAYS_OF_ARRAYS + b".", "nested too deep or too many"),
    ],
)
def test_a_few_bytes_that_stand_for_a_huge_value_are_refused_at_once(tmp_path, form, content, message):
    path, content = tmp_path / "x", b"\x80\x02" + content
    if form == "zip":
        write_zip(path, content)
    else:
        path.write_bytes(npy_of_pickle(content) if form == "npy" else OLDER_HEAD + content)
    with taking_less_than(5e6), pytest.raises(WeightsError, match=message):
        read_weights(path)


@pytest.mark.fault(52)
@settings(max_examples=often(60), deadline=None, derandomize=True, database=None)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY\x01\x00"])
)
def test_any_bytes_are_refused(tmp_path_factory, content, start):
    assert not read(tmp_path_factory.getbasetemp() / "any", start + content)
