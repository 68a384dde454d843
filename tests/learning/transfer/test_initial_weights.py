"""learning/transfer/initial_weights.py, and how `fit` starts a run from weights."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from learning.config.run_config import RunConfig
from learning.errors import CheckpointError, UsageError
from learning.export.weights import export_run_weights
from learning.fit import fit
from learning.programs.command_line import parse_train
from learning.publish import publish
from learning.runs.directory import RunDirectory
from learning.training.loop import TrainingLoop
from learning.transfer.initial_weights import InitialWeights, table
from models.nn import ResNet18, SmallNet
from models.weights.errors import WeightsError
from models.weights.files import Weights, read_weights
from models.weights.load import load_tensors
from models.weights.maps.torchvision import TORCHVISION_RESNET
from tests.conftest import sessions, tf, tiny_model

pytestmark = pytest.mark.usefixtures("without_pictures")

HEAD = ["fc/weights", "fc/biases"]
SMALL = {
    "data": {"name": "digits", "image_size": 12, "crop_size": 10},
    "model": {"name": "smallnet", "options": {"width": 2}},
    "optimizer": {"init_learning_rate": 0.1},
    "train": {"batch_size": 512, "num_epochs": 1, "threads": 1},
}
STILL = {"optimizer": {"init_learning_rate": 1e-12}}


def config(init=None, data=None, train=None, optimizer=None, data_dir=None, **model):
    """Return the small configuration with other values."""
    values = {
        "data_dir": data_dir,
        "data": {**SMALL["data"], **(data or {})},
        "model": {**SMALL["model"], "init": None if init is None else str(init), **model},
        "optimizer": {**SMALL["optimizer"], **(optimizer or {})},
        "train": {**SMALL["train"], **(train or {})},
    }
    return RunConfig.from_dict(values)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run on the ten digits, and its results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("learning.pictures.plots.draw_learning_curves", lambda *a, **k: None)
        path = tmp_path_factory.mktemp("source") / "run"
        return path, fit(config(), path, verbose=False)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Dark and bright photographs, 24 of each."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("bright", 200)):
        (folder / name).mkdir()
        for number in range(24):
            pixels = rng.integers(level - 40, level + 40, (14, 14, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def of_photos(photos, init, **options):
    """Return a configuration that trains on the photographs."""
    data = {"name": "folder", "channels": 1, "test_fraction": 0.25, "val_fraction": 0.25}
    train = {"batch_size": 8, **options.pop("train", {})}
    return config(init, data=data, data_dir=str(photos), train=train, **options)


def weights_of(path):
    return read_weights(path).tensors


def init_of(path):
    return json.loads((path / "run.json").read_text())["init"]


def test_a_run_with_the_same_classes_goes_on_with_all_weights(source, tmp_path, capsys):
    path, results = source
    again = fit(config(path, freeze="head-only", weight_decay=0.0, **STILL), tmp_path / "run")
    assert again["confusion_matrix"] == results["confusion_matrix"]
    found = init_of(tmp_path / "run")
    variables = [name for name in weights_of(path) if "Momentum" not in name]
    assert (found["source"], found["form"], found["new"]) == (str(path), "sessionnet", [])
    assert found["loaded"] == len(variables)
    assert "block1/enter/gamma" in found["frozen"]
    assert not set(HEAD) & set(found["frozen"])
    assert all("Momentum" in name for name in found["left_over"])
    said = capsys.readouterr().out
    assert f"weights {path} (sessionnet)" in said
    assert "is new" not in said


def test_other_classes_get_a_new_head_that_is_fitted(source, photos, tmp_path, capsys):
    path, _ = source
    start = of_photos(photos, path, train={"linear_probe": True}, freeze="head-only", **STILL)
    results = fit(start, tmp_path / "run")
    found = init_of(tmp_path / "run")
    assert found["new"] == HEAD
    said = capsys.readouterr().out
    assert "the last layer (fc) is new: 10 classes there, 2 here" in said
    assert found["linear_probe"].startswith("last layer fitted to the features of 27 images, accuracy ")
    assert found["linear_probe"] in said
    assert results["scores"][0]["accuracy"] == 1.0  # without one update that changes anything
    ours, theirs = weights_of(tmp_path / "run"), weights_of(path)
    np.testing.assert_array_equal(ours["stem/weights"], theirs["stem/weights"])
    np.testing.assert_array_equal(ours["preprocessing/mean"], theirs["preprocessing/mean"])
    assert ours["fc/biases"].shape == (2,)


def test_the_same_number_of_other_classes_is_a_new_head_too(source, session):
    run = RunDirectory(source[0])
    with tf.Graph().as_default():
        model = SmallNet(run.input_shape, 10, width=2)
    initial = InitialWeights(str(source[0]))
    for names, head in ((run.class_names, "loaded"), ([*run.class_names[:9], "ten"], "new")):
        report = initial.load(session(model), model, names)
        assert {report.states[name] for name in HEAD} == {head}
    assert report.head == "the last layer (fc) is new: 10 classes there, 10 here"


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    """The network of the run in other formats, by the suffix of the file."""
    folder = tmp_path_factory.mktemp("exported")
    for target in ("npz", "safetensors"):
        export_run_weights(RunDirectory(source[0]), target, folder / f"net.{target}")
    return {path.suffix: path for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["prefix", "step", "file of a step", ".npz", ".safetensors"])
def test_every_form_of_a_run_knows_its_classes(kind, source, exported, session):
    run = RunDirectory(source[0])
    step = max((source[0] / "checkpoints").glob("step-*"))
    path = {
        **exported, "prefix": source[0] / "model.ckpt", "step": step, "file of a step": step / "model.ckpt.index",
    }[kind]  # fmt: skip
    with tf.Graph().as_default():
        model = SmallNet(run.input_shape, 10, width=2)
    initial, said = InitialWeights(str(path)), []
    for names, head in ((run.class_names, "loaded"), ([*run.class_names[:9], "ten"], "new")):
        report = initial.load(session(model), model, names, said.append)
        assert {report.states[name] for name in HEAD} == {head}
    assert said == []


def test_a_last_layer_that_is_kept_for_unknown_classes_is_named_and_not_fitted(source, tmp_path, capsys):
    np.savez(tmp_path / "net.npz", **weights_of(source[0]))
    start = config(tmp_path / "net.npz", train={"linear_probe": True}, freeze="head-only", **STILL)
    fit(start, tmp_path / "run")
    said = capsys.readouterr().out
    assert "the last layer (fc) is kept; the classes that it was trained for are not known" in said
    assert "the last layer is not fitted, because it was loaded" in said
    assert "linear_probe" not in init_of(tmp_path / "run")


def test_a_published_run_is_a_source_and_a_published_copy_names_no_path(source, tmp_path):
    publish(RunDirectory(source[0]), tmp_path / "published")
    fit(config(tmp_path / "published"), tmp_path / "run", verbose=False)
    found = init_of(tmp_path / "run")
    assert (found["new"], found["left_over"]) == ([], [])
    publish(RunDirectory(tmp_path / "run"), tmp_path / "again")
    assert RunDirectory(tmp_path / "again").config.model.init is None
    for name in ("config.yaml", "run.json", "test.json"):
        assert str(tmp_path) not in (tmp_path / "again" / name).read_text()
    assert init_of(tmp_path / "again") == {**found, "source": "published"}


class Killed(BaseException):
    """In place of a kill."""


def test_a_run_that_was_killed_before_its_first_checkpoint_reads_the_weights_again_but_no_later_resume_does(
    source, tmp_path, monkeypatch
):
    shutil.copytree(source[0], tmp_path / "source")
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_train", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            fit(config(tmp_path / "source", weight_decay=0.0, **STILL), run, verbose=False)
    assert init_of(run)["new"] == []
    fit(RunDirectory(run).config, run, resume=True, verbose=False)
    ours, theirs = weights_of(run), weights_of(source[0])
    for name in ("stem/weights", "fc/weights"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6)
    shutil.rmtree(tmp_path / "source")
    longer = RunDirectory(run).config
    longer = dataclasses.replace(longer, train=dataclasses.replace(longer.train, num_epochs=2))
    fit(longer, run, resume=True, verbose=False)
    np.testing.assert_allclose(weights_of(run)["fc/weights"], theirs["fc/weights"], atol=1e-6)
    assert init_of(run)["source"] == str(tmp_path / "source")


@pytest.mark.fault(52)
def test_weights_of_another_network_leave_no_run(source, tmp_path):
    wider = config(source[0], options={"width": 4})
    with pytest.raises(
        WeightsError, match="does not hold the weights of SmallNet as it was built: stem/weights is"
    ):
        fit(wider, tmp_path / "run", verbose=False)
    assert not (tmp_path / "run" / "run.json").exists()
    with pytest.raises(WeightsError, match="there is no such file"):
        fit(config(tmp_path / "nowhere"), tmp_path / "run", verbose=False)


def test_a_network_without_features_cannot_be_probed(tmp_path, source):
    start = config(source[0], train={"linear_probe": True}, name="tests.conftest.TinyNet", options={})
    with pytest.raises(UsageError, match=r"train.linear_probe needs d\['features'\]"):
        fit(start, tmp_path / "run", verbose=False)


def test_a_probe_without_weights_to_start_from_is_a_usage_error(tmp_path):
    with pytest.raises(
        UsageError, match="there is no model.init; give one, or set --train.linear_probe false"
    ):
        fit(config(train={"linear_probe": True}), tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


def test_a_wrong_freeze_is_a_usage_error_with_its_place(tmp_path):
    with pytest.raises(UsageError, match="model smallnet: freeze is 'fc9', which matches none"):
        fit(config(freeze="fc9"), tmp_path / "run", verbose=False)


def test_the_command_line_takes_the_options_of_the_run(source, tmp_path):
    found = parse_train(["--model.init", str(source[0]), "--train.num_epochs", "7"]).config
    assert found.model.init == str(source[0])
    assert found.model.options == {"width": 2}
    assert (found.data.name, found.data.crop_size, found.train.num_epochs) == ("digits", 10, 7)


def test_a_resume_may_repeat_the_runs_own_source_by_a_relative_path(source, tmp_path, monkeypatch):
    fit(config(source[0]), tmp_path / "run", verbose=False)
    monkeypatch.chdir(source[0].parent)
    found = parse_train(["--resume", str(tmp_path / "run"), "--model.init", source[0].name]).config
    assert found == RunDirectory(tmp_path / "run").config
    with pytest.raises(CheckpointError, match="model.init is '.*/other', was '.*/run'"):
        parse_train(["--resume", str(tmp_path / "run"), "--model.init", "other"])


@pytest.mark.parametrize("seed", [0, 1])
def test_held_out_images_that_the_source_was_trained_on_are_counted(source, tmp_path, caplog, seed):
    fit(config(source[0], train={"seed": seed}), tmp_path / "second", verbose=False)
    fit(config(tmp_path / "second", train={"seed": 1}), tmp_path / "third", verbose=False)
    found = [record.getMessage() for record in caplog.records if "was trained on" in record.getMessage()]
    runs = [source[0], source[0]] if seed == 1 else [tmp_path / "second", source[0]]
    for message, run in zip(found, runs, strict=True):
        assert re.match(
            rf"{run}, whose weights this run starts from, was trained on \d+ of the \d+ validation", message
        )
        assert re.search(
            r"and on \d+ of the \d+ test images here, so their scores are too optimistic", message
        )


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory):
    """Weights of a small ResNet by torchvision's names."""
    with tf.Graph().as_default():
        model = ResNet18((12, 12, 3), 5, stages=(1, 1), widths=(4, 8), padding="SYMMETRIC")
    shapes = {v.op.name: v.shape.as_list() for v in model.variables}
    tensors = {
        pair.theirs: pair.layout.to_theirs(np.ones(shapes[pair.ours], np.float32))
        for pair in TORCHVISION_RESNET.pairs(model)
    }
    path = tmp_path_factory.mktemp("weights") / "resnet.npz"
    np.savez(path, **tensors)
    return path


class TestCompleted:
    def test_the_network_gets_the_options_of_the_weights(self, torchvision_file):
        initial = InitialWeights(str(torchvision_file))
        given = config(torchvision_file, name="resnet18", options={"stages": [1, 1], "padding": "SAME"})
        found = initial.completed(given).model.options
        assert found == {**TORCHVISION_RESNET.options, "stages": [1, 1], "padding": "SAME"}
        assert given.model.options == {"stages": [1, 1], "padding": "SAME"}

    def test_our_own_weights_change_nothing(self, source):
        given = config(source[0])
        assert InitialWeights(str(source[0])).completed(given) is given

    @pytest.mark.fault(52)
    def test_a_network_that_has_no_such_options_is_an_error(self, torchvision_file):
        message = (
            "holds weights of torchvision ResNet, and smallnet has no option .*; choose their network with"
        )
        with pytest.raises(WeightsError, match=message):
            InitialWeights(str(torchvision_file)).completed(config(torchvision_file))


def test_the_table_names_what_is_loaded_new_frozen_and_left_over():
    model = tiny_model(freeze="^conv1/")
    weights = {v.op.name: np.ones(v.shape.as_list(), np.float32) for v in model.variables}
    weights |= {"fc/weights": np.ones((4, 9), np.float32), "fc/biases": np.ones(9, np.float32)}
    with sessions() as session:
        source = Weights({**weights, "fc/biases/Adam": weights["fc/biases"]}, "numpy", "w.npz")
        report = load_tensors(session(model), model, source)
    assert table(report, model) == [
        "weights w.npz (sessionnet)",
        "part           variables  parameters  start   training",
        "preprocessing          2           4  loaded",
        "conv1                  6         128  loaded  frozen",
        "fc                     2          10  new     trained",
        "the last layer (fc) is new: 9 classes there, 2 here",
        "left over: 1 tensors that the network does not need (fc/biases/Adam)",
    ]


@pytest.mark.fault(52)
@pytest.mark.parametrize("kind", ["half of the names", "another architecture"])
def test_a_file_that_does_not_fit_ends_the_script_with_one_line(
    kind, source, torchvision_file, tmp_path, call_script
):
    path = torchvision_file
    if kind == "half of the names":
        path, tensors = tmp_path / "half.npz", weights_of(source[0])
        np.savez(path, **{name: tensors[name] for name in list(tensors)[::2] if "Momentum" not in name})
    options = [
        "--config",
        "digits",
        "--data.image_size",
        12,
        "--data.crop_size",
        10,
        "--model.name",
        "smallnet",
    ]
    options += ["--model.options.width", 2, "--run-dir", tmp_path / "run", "--model.init", path]
    done = call_script("train.py", *options)
    assert done.returncode == 4, done.stderr
    [line] = done.stderr.splitlines()
    assert str(path) in line
    expected = (
        "holds weights of an unknown network" if kind == "half of the names" else "smallnet has no option"
    )
    assert expected in line
    assert not (tmp_path / "run" / "run.json").exists()
