"""What is exported computes in other libraries what the run computes here."""

import json

import numpy as np
import pytest

from models.nn import AlexNet, ResNet18, ResNet50, SmallNet
from models.runtime.tensorflow_paths import PathError
from models.weights.__main__ import main
from models.weights.errors import WeightsError
from models.weights.export import Network, export_weights
from models.weights.files import Weights, read_weights
from models.weights.load import MEAN, SCALE, load_tensors, load_weights
from models.weights.maps.keras import KERAS_RESNET
from models.weights.maps.torchvision import TORCHVISION_ALEXNET, TORCHVISION_RESNET
from tests.conftest import tf, v1
from tests.support.published_nets import CLASSES, check_logits, import_of_torch, random_images

NAMES = ["cat", "dög", "a b", "d", "e"]
MEANS = [0.4, 0.5, 0.6]


def save(folder, net, name, side, options, mean=MEANS):
    """Save a network with random weights, as training does; return it, and how it is described."""
    folder.mkdir()
    with tf.Graph().as_default():
        model = net((side, side, 3), CLASSES, image_mean=mean, **options)
        with v1.Session() as sess:
            load_tensors(sess, model, Weights(random_values(model, mean), "numpy", "random"))
            v1.train.Saver(model.variables).save(
                sess, str(folder / "model.ckpt"), write_meta_graph=False, write_state=False
            )
    return model, Network(name, options, (side, side, 3), NAMES)


def random_values(model, mean):
    """Return random values of all variables by name; the logits' deviation is then about one."""
    rng = np.random.default_rng(0)
    values = {MEAN: np.float32(mean), SCALE: np.float32(1 / 255)}
    for variable in model.variables:
        name, shape = variable.op.name, variable.shape.as_list()
        kind = name.rpartition("/")[2]
        if kind == "weights":
            is_head = len(shape) == 2 and shape[-1] == CLASSES
            values[name] = rng.normal(
                0, 0.3 / shape[0] ** 0.5 if is_head else (2 / np.prod(shape[:-1])) ** 0.5, shape
            )
        elif kind in ("gamma", "moving_variance"):
            values[name] = rng.uniform(0.5, 1.0, shape)
        else:
            values.setdefault(name, rng.normal(0, 0.1, shape))
    return values


def run_inputs(images, metadata):
    """Return what the metadata say that the other library's network takes."""
    facts = json.loads(metadata["preprocessing"])
    assert (facts["range"], facts["channels"]) == ([0, 1], "RGB")
    np.testing.assert_allclose(facts["mean"], MEANS, rtol=1e-6)
    return np.float32((images / 255 - facts["mean"]) / facts["std"])


def loaded(run, session, model):
    """Return a session with the run's weights as they were saved."""
    sess = session(model)
    load_weights(sess, model, run)
    return sess


TORCH_NETS = {
    "resnet18": (ResNet18, 64, {**TORCHVISION_RESNET.options, "stages": [1, 2, 1, 1]}),
    "resnet50": (ResNet50, 64, {**TORCHVISION_RESNET.options, "stages": [2, 1, 1, 1]}),
    "alexnet": (AlexNet, 224, dict(TORCHVISION_ALEXNET.options)),
}


def torchvision_peer(name):
    models = import_of_torch("torchvision").models
    if name == "alexnet":
        return models.alexnet(weights=None, num_classes=CLASSES)
    block = models.resnet.BasicBlock if name == "resnet18" else models.resnet.Bottleneck
    return models.resnet.ResNet(block, TORCH_NETS[name][2]["stages"], CLASSES)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("resnet18", "safetensors"), ("resnet50", "pth"), pytest.param("alexnet", "pt", marks=pytest.mark.long)],
)
def test_torchvision_computes_the_same(tmp_path, session, one_torch_thread, name, suffix):
    torch, peer = import_of_torch("torch"), torchvision_peer(name)
    net, side, options = TORCH_NETS[name]
    model, network = save(tmp_path / "net", net, name, side, options)
    path = tmp_path / f"net.{suffix}"
    metadata = export_weights(network, tmp_path / "net", "torchvision", path)
    if suffix == "safetensors":
        state = import_of_torch("safetensors.torch").load_file(path)
    else:
        state = torch.load(path, weights_only=True)
    peer.load_state_dict(state)
    images = random_images(model)
    with torch.no_grad():
        theirs = peer.eval()(torch.tensor(run_inputs(images, metadata)).permute(0, 3, 1, 2)).numpy()
    check_logits(loaded(tmp_path / "net", session, model), model, images, theirs)
    assert json.loads(metadata["classes"]) == NAMES


def test_keras_computes_the_same(tmp_path, session):
    import keras

    model, network = save(tmp_path / "net", ResNet50, "resnet50", 64, dict(KERAS_RESNET.options))
    images = random_images(model)
    peer = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=CLASSES, classifier_activation=None
    )
    sess = loaded(tmp_path / "net", session, model)
    for name in ("net.h5", "net.weights.h5"):
        metadata = export_weights(network, tmp_path / "net", "keras", tmp_path / name)
        peer.set_weights([np.zeros(value.shape, np.float32) for value in peer.get_weights()])
        peer.load_weights(tmp_path / name)
        theirs = peer(run_inputs(images, metadata), training=False).numpy()
        check_logits(sess, model, images, theirs)


@pytest.mark.parametrize("target", ["npz", "safetensors"])
def test_our_names_are_those_of_the_network(tmp_path, target):
    mean = np.random.default_rng(0).random((16, 16, 3))
    model, network = save(tmp_path / "net", SmallNet, "smallnet", 16, {"width": 8}, mean)
    metadata = export_weights(network, tmp_path / "net", target, tmp_path / f"net.{target}")
    found, saved = read_weights(tmp_path / f"net.{target}").tensors, read_weights(tmp_path / "net").tensors
    assert found.keys() == {variable.op.name for variable in model.variables}
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, saved[name])
    np.testing.assert_allclose(found[MEAN], mean, rtol=1e-6)
    assert json.loads(metadata["preprocessing"]) == "images * preprocessing/scale - preprocessing/mean"
    assert json.loads(metadata["options"]) == {"width": 8}


@pytest.fixture
def small(tmp_path):
    """A network, and the folder of its weights."""
    _, network = save(tmp_path / "net", SmallNet, "smallnet", 16, {"width": 8})
    return network, tmp_path / "net"


@pytest.mark.parametrize(
    ("target", "file", "message"),
    [
        ("torchvision", "x.pth", "torchvision has no network like SmallNet; export with --to safetensors"),
        ("keras", "x.h5", "keras has no network like SmallNet"),
        ("keras", "x.pth", "a file for keras must end in .h5"),
        ("npz", "x.safetensors", "a file for npz must end in .npz"),
        ("npz", "there.npz", "exists; choose another name"),
    ],
)
def test_what_cannot_be_exported_says_why(small, tmp_path, target, file, message):
    (tmp_path / "there.npz").touch()
    with pytest.raises(WeightsError, match=message):
        export_weights(*small, target, tmp_path / file)
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob("x.*"))


def test_a_network_that_would_answer_otherwise_is_refused(tmp_path):
    options = {**TORCHVISION_RESNET.options, "stages": [1, 1, 1, 1], "padding": "SAME"}
    _, network = save(tmp_path / "net", ResNet18, "resnet18", 32, options)
    with pytest.raises(
        WeightsError, match="options differ: padding is 'SAME', must be 'SYMMETRIC'; train with these"
    ):
        export_weights(network, tmp_path / "net", "torchvision", tmp_path / "x.pth")
    options["padding"] = "SYMMETRIC"
    _, network = save(tmp_path / "other", ResNet18, "resnet18", 32, options, np.full((32, 32, 3), 0.5))
    with pytest.raises(WeightsError, match="a mean of each pixel, which torchvision has no place for"):
        export_weights(network, tmp_path / "other", "torchvision", tmp_path / "x.pth")
    options = {**KERAS_RESNET.options, "stages": [1, 1, 1, 1]}
    _, network = save(tmp_path / "third", ResNet18, "resnet18", 32, options)
    with pytest.raises(WeightsError, match="Keras has ResNets of 50, 101 and 152 layers only"):
        export_weights(network, tmp_path / "third", "keras", tmp_path / "x.h5")
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.fault(52)
def test_weights_of_another_network_are_refused(small, tmp_path):
    network, folder = small
    wide = network._replace(options={"width": 16})
    with pytest.raises(
        WeightsError, match=r"not of this network: \S+ is missing or of another shape, one of \d+; restore"
    ):
        export_weights(wide, folder, "npz", tmp_path / "x.npz")
    misspelt = network._replace(options={"widht": 8})
    with pytest.raises(WeightsError, match="cannot build the network smallnet of '.*widht"):
        export_weights(misspelt, folder, "npz", tmp_path / "x.npz")


# The command line.


def test_a_file_of_this_project_is_known(small, tmp_path, capsys):
    export_weights(*small, "npz", tmp_path / "x.npz")
    main(["show", str(tmp_path / "x.npz")])
    lines = capsys.readouterr().out.splitlines()
    assert ["preprocessing/mean", "3"] in [line.split() for line in lines]
    assert lines[-1].endswith("numbers (numpy): this project's own names")


def test_a_file_of_an_unknown_network_is_shown_with_its_names(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", **{"layer/w": np.ones((2, 3)), "s": np.float32(1)})
    main(["show", str(tmp_path / "x.npz")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["layer/w  2x3", "s"]
    assert lines[2].startswith("2 tensors, 7 numbers (numpy): ") and "of an unknown network" in lines[2]


@pytest.mark.fault(52)
def test_names_that_command_a_terminal_are_shown_escaped(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", **{"\x1b]0;title\x07": np.ones(2)})
    main(["show", str(tmp_path / "x.npz")])
    said = capsys.readouterr().out
    assert said.count("\\x1b]0;title\\x07") == 2 and said.replace("\n", "").isprintable()


def test_a_path_that_tensorflow_cannot_use_is_an_error_of_storage(monkeypatch, capsys):
    def fail(source):
        raise PathError("no link")

    monkeypatch.setattr("models.weights.load.read_source", fail)
    with pytest.raises(SystemExit) as left:
        main(["show", "x"])
    assert (left.value.code, capsys.readouterr().err) == (6, "python -m models.weights: no link\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "/absent"], 4, "cannot read weights from '/absent': there is no such file"),
        (["hide", "/absent"], 2, "invalid choice: 'hide'"),
    ],
)
def test_an_error_is_one_line_and_has_its_exit_code(arguments, code, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    captured = capsys.readouterr()
    assert left.value.code == code
    assert message in captured.err and captured.err.count("\n") == 1 and not captured.out
