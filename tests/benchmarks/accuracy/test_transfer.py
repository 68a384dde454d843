"""benchmarks/accuracy/transfer.py, at toy size."""

import argparse
import importlib.util
import json

import pytest

from benchmarks.accuracy import transfer
from benchmarks.harness.turns import PROJECT
from learning.errors import UsageError
from models.weights.packaged import PACKAGES, imagenet_classes
from tests.support.made_sets import write_dark_and_bright

has_weights = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGES[transfer.NETWORK].name.replace("-", "_")) is None,
    reason="the weights are not installed",
)


@pytest.fixture
def measured(tmp_path, one_torch_thread):
    """Measure with --quick on made pictures, and return the figures."""
    photos, output = write_dark_and_bright(tmp_path, 12), tmp_path / "found.json"

    def call(*words):
        given = ("--data-dir", str(photos), "--per-class", "10", "--seeds", "1", "--quick")
        transfer.main([*given, "--held-out", "2", "--output", str(output), *words])
        return json.loads(output.read_text())

    return call


def keys(figures):
    return [tuple(run[name] for name in transfer.KEY) for run in figures["runs"]]


def test_an_interrupted_measurement_goes_on(measured, monkeypatch, tmp_path):
    made, plot = [], tmp_path / "plot.png"

    def measure(run, *rest):
        made.append(run["way"])
        if run["way"] == "all-layers" and len(made) == 3:
            raise KeyboardInterrupt
        return {"accuracy": 0.75, "seconds": 6.0}

    monkeypatch.setattr(transfer, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        measured()
    figures = measured("--plot", str(plot))
    assert made == ["scratch", "head-only", "all-layers", "all-layers"]
    assert keys(figures) == [(way, "train.py", 10, 0) for way in transfer.WAYS]
    assert plot.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="another --held-out or --isa; choose another file"):
        measured("--held-out", "1")


def test_the_command_is_timed_and_its_run_scored(measured):
    [run] = measured("--ways", "scratch")["runs"]
    assert (run["way"], run["by"]) == ("scratch", "train.py")
    assert run["seconds"] > 0
    assert run["accuracy"] in (0.0, 0.25, 0.5, 0.75, 1.0)  # of four images


def test_a_command_that_fails_is_an_error(measured, monkeypatch, capfd):
    monkeypatch.setitem(transfer.WAYS, "scratch", ("--config", "missing"))
    with pytest.raises(UsageError, match=r"train.py ended with \d+; see its message above"):
        measured("--ways", "scratch")
    assert "missing" in capfd.readouterr().err


@has_weights
def test_pytorch_trains_beside_the_library(measured):
    pytest.importorskip("torch")
    figures = measured("--ways", "head-only", "--peer", "torch")
    assert keys(figures) == [("head-only", PROJECT, 10, 0), ("head-only", "torch", 10, 0)]
    assert all(0 <= run["accuracy"] <= 1 for run in figures["runs"])
    assert all(run["images_per_second"] > 0 for run in figures["runs"])


@has_weights
@pytest.mark.long
def test_without_training_imagenets_dogs_are_compared_with_its_cats(measured):
    figures = measured("--ways", "zero-shot")
    assert keys(figures) == [("zero-shot", PROJECT, 0, 0)]
    assert 0 <= figures["runs"][0]["accuracy"] <= 1


def test_the_classes_of_imagenet_are_house_cats_and_dogs():
    names = imagenet_classes()
    first_and_last = {name: (names[rows[0]], names[rows[-1]]) for name, rows in transfer.IMAGENET.items()}
    assert "tabby" in first_and_last["cat"][0].lower()
    assert "Egyptian" in first_and_last["cat"][1]
    assert "Chihuahua" in first_and_last["dog"][0]
    assert "hairless" in first_and_last["dog"][1].lower()


def test_contestants_take_turns():
    asked = argparse.Namespace(ways=[*transfer.WAYS], peer="torch", per_class=[5], seeds=2)
    found = [(run["way"], run["by"], run["seed"]) for run in transfer.wanted(asked)]
    assert found[:2] == [("head-only", PROJECT, 0), ("head-only", "torch", 0)]
    assert found[4:6] == [("head-only", "torch", 1), ("head-only", PROJECT, 1)]
    assert {way for way, _, _ in found} == {"head-only", "all-layers"}


def test_the_tables_have_means_and_ratios_by_seed():
    def run(way, by, per_class, seed, accuracy, rate=None):
        return dict(zip(transfer.KEY, (way, by, per_class, seed), strict=True)) | {
            "accuracy": accuracy,
            "seconds": 60.0 + 60 * seed,
            "images_per_second": rate,
        }

    runs = [
        run("all-layers", "train.py", 1000, 1, 0.99) | {"accuracy_by_ten": 0.995},
        run("all-layers", "train.py", 1000, 0, 0.98) | {"accuracy_by_ten": 0.985},
        run("scratch", "train.py", 1000, 0, 0.75),
        run("head-only", PROJECT, 20, 0, 0.9, 30.0),
        run("head-only", "torch", 20, 0, 0.91, 20.0),
        run("head-only", PROJECT, 20, 1, 0.9, 30.0),  # whose peer was not measured yet
        run("zero-shot", PROJECT, 0, 0, 0.95),
    ]
    lines = transfer.table({"held_out": 1250, "runs": runs}).splitlines()
    assert lines[0] == "Accuracy on 1,250 other images per class, with one crop."
    assert lines[4] == "| all-layers | 1,000 | 0.9850 | 0.9800, 0.9900 | 0.9900 | 1.5 |"
    assert lines[5] == "| scratch | 1,000 | 0.7500 | 0.7500 |  | 1.0 |"
    assert lines[7] == "Without training, by ImageNet's classes of cats and dogs: 0.9500."
    assert lines[-1] == "| head-only | 20 | 0.9000 | 0.9100 | 30 | 1.50 (1.50 to 1.50) |"
