"""Arrays of NumPy are read as numpy.load reads them, and dictionaries of them without running their pickle."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from models.weights.errors import WeightsError
from models.weights.files import read_weights
from tests.support.made_sets import python2_pickle
from tests.support.made_weights import Gadget, npy_of_pickle, object_npy, taking_less_than

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)
CAFFE = {"conv1": [KERNEL, np.ones(4, np.float32)], "fc8": {"weights": KERNEL.T, "biases": np.zeros(3)}}
NAMES = {"conv1/0", "conv1/1", "fc8/weights", "fc8/biases"}


def write(tmp_path, content, name="file"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def check_caffe(weights):
    assert weights.kind == "numpy"
    assert weights.tensors.keys() == NAMES
    assert all(tensor.dtype == np.float32 for tensor in weights.tensors.values())
    np.testing.assert_array_equal(weights.tensors["conv1/0"], KERNEL)
    np.testing.assert_array_equal(weights.tensors["fc8/weights"], KERNEL.T)
    assert weights.tensors["fc8/biases"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("protocol", range(6))
def test_a_dictionary_as_python_3_saves_it(tmp_path, protocol):
    check_caffe(read_weights(write(tmp_path, object_npy(CAFFE, protocol))))


def test_a_dictionary_as_np_save_writes_it(tmp_path):
    np.save(tmp_path / "caffe.npy", CAFFE, allow_pickle=True)
    check_caffe(read_weights(tmp_path / "caffe.npy"))
    found = np.load(tmp_path / "caffe.npy", allow_pickle=True)[()]
    np.testing.assert_array_equal(found["conv1"][0], KERNEL)


def test_a_dictionary_of_the_numpy_before_2(tmp_path):
    content = object_npy(CAFFE, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    check_caffe(read_weights(write(tmp_path, content)))


def test_a_dictionary_of_python_2(tmp_path):
    plain = {
        "conv1": [KERNEL, np.ones(4, np.float32)],
        "fc8": {"weights": KERNEL.T.copy(), "biases": np.zeros(3)},
    }
    dtype = b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
    start = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01)"
    content = start + dtype + b"\x89]" + python2_pickle(plain)[2:-1] + b"atb."
    check_caffe(read_weights(write(tmp_path, npy_of_pickle(content))))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_arrays(tmp_path, save):
    arrays = {
        "a/b": KERNEL.astype(np.float64),
        "half": KERNEL.astype(np.float16),
        "big": KERNEL.astype(">f4"),
    }
    arrays |= {
        "order": np.asfortranarray(KERNEL),
        "scalar": np.float32(3),
        "empty": np.zeros((0, 2), np.float32),
    }
    save(tmp_path / "x.npz", **arrays, step=np.int64(7), flag=np.bool_(True))
    weights = read_weights(tmp_path / "x.npz")
    assert weights.kind == "numpy" and weights.tensors.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights.tensors[name], array.astype(np.float32))
        assert weights.tensors[name].shape == array.shape


def test_a_single_array_is_called_array(tmp_path):
    np.save(tmp_path / "x.npy", KERNEL)
    assert read_weights(tmp_path / "x.npy").tensors.keys() == {"array"}


@pytest.mark.fault(52)
def test_a_gadget_in_an_object_array_never_runs(tmp_path):
    marker = tmp_path / "marker"
    value = {"a": KERNEL, "b": Gadget(os.system, f"touch {marker}")}
    path = write(tmp_path, object_npy(value))
    with pytest.raises(WeightsError, match="nothing of it ran"):
        read_weights(path)
    np.savez(tmp_path / "x.npz", a=np.array(value, dtype=object))
    with pytest.raises(WeightsError, match="nothing of it ran"):
        read_weights(tmp_path / "x.npz")
    assert not marker.exists()


def npy(header, data=b""):
    text = f"{header}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


LIES = {
    "huge": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 100000), }", b"abcd"),
    "large": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 10000), }", b"abcd"),
    "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }", b"abcd"),
    "short": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", bytes(8)),
    "long": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", bytes(8)),
    "code": npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }", bytes(4)),
    "deep": npy("(" * 5000, bytes(4)),
}


@pytest.mark.fault(52)
@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_refused_without_taking_memory(tmp_path, name):
    path = write(tmp_path, LIES[name])
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", LIES[name])
    with taking_less_than(20e6):
        for lying in (path, tmp_path / "x.npz"):
            with pytest.raises(WeightsError, match=r"^cannot read weights from '.*': [^\n]*$"):
                read_weights(lying)


@pytest.mark.fault(52)
def test_the_same_numbers_again_and_again_are_refused(tmp_path):
    numbers = np.ones(2**20, np.float32)
    path = write(tmp_path, object_npy({str(index): numbers for index in range(200)}))
    assert path.stat().st_size < 6e6
    with pytest.raises(WeightsError, match="far more than the file can hold"):
        read_weights(path)


@pytest.mark.fault(52)
def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (50000000,), }"
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        member.write(npy(header))
        for _ in range(200):
            member.write(bytes(10**6))
    with (
        taking_less_than(20e6),
        pytest.raises(WeightsError, match=r"'.*': a\.npy claims to take 200000\d+ bytes"),
    ):
        read_weights(tmp_path / "x.npz")


@pytest.mark.fault(52)
def test_unusual_packing_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_LZMA) as archive:
        file = io.BytesIO()
        np.save(file, KERNEL)
        archive.writestr("a.npy", file.getvalue())
    with pytest.raises(WeightsError, match="packed in an unusual way"):
        read_weights(tmp_path / "x.npz")


def test_an_array_without_the_numbers_of_its_shape_is_refused(tmp_path):
    content = pickle.dumps({"a": KERNEL}, 2).replace(b"K\x03K\x04\x86", b"K\x03K\x05\x86")
    with pytest.raises(WeightsError, match="a has more or fewer values than its shape"):
        read_weights(write(tmp_path, npy_of_pickle(content)))
