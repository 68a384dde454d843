"""Every benchmark runs with --quick: all contestants at toy size."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.harness import hardware
from benchmarks.harness.hardware import PRECISIONS
from benchmarks.harness.made_images import noise
from benchmarks.harness.nets import NETS
from benchmarks.harness.turns import PROJECT
from benchmarks.speed import epoch, filter_gradients, inference, input, memory, training
from datasets.dataset import DataSet
from learning.optimizers import Optimizer

HAS_TORCH = importlib.util.find_spec("torch") is not None
PEERS = ["torch", "keras"] if HAS_TORCH else ["keras"]


@pytest.fixture
def quick(tmp_path, one_torch_thread):
    """Run a benchmark with --quick and return the figures that it wrote."""

    def call(main, *words):
        path = tmp_path / "figures.json"
        main([*words, "--quick", "--output", str(path)])
        return json.loads(path.read_text())

    return call


def left_out(found):
    """Return the contestants that failed, except torch where it is not installed."""
    return {name for name in found["left_out"] if HAS_TORCH or "torch" not in name}


@pytest.mark.bfloat16
@pytest.mark.parametrize(
    "names",
    [
        ["resnet20"],
        pytest.param(["alexnet", "resnet18", "resnet50", "alexnet-lrn"], marks=pytest.mark.long),
    ],
    ids="-".join,
)
def test_training(names, quick, capsys):
    figures = quick(training.main, *names, "--precision", "bfloat16")
    assert [found["net"] for found in figures["cases"]] == names
    peers = {f"{library} {precision}" for library in PEERS for precision in PRECISIONS}
    for found in figures["cases"]:
        assert set(found["images_per_second"]) == {PROJECT} | peers
        assert not left_out(found)
        assert all(spread["median"] > 0 for spread in found["images_per_second"].values())
        assert found["batch_size"] == 4
    assert (figures["options"]["quick"], figures["ceiling_gflops"]) == (True, None)
    assert f"| {names[0]} | 4 | bfloat16 | " in capsys.readouterr().out


@pytest.mark.bfloat16
@pytest.mark.parametrize("net", ["resnet50", pytest.param("alexnet", marks=pytest.mark.long)])
def test_inference(net, quick):
    nets = quick(inference.main, net)["nets"]
    single = nets[net]["float32"]
    names = {f"{peer} float32" for peer in PEERS}
    assert set(single["images_per_second"]) == {PROJECT} | names
    assert not left_out(single)
    assert single["best_peer"] in names
    if hardware.emulation():
        assert set(nets[net]) == {"float32"}
        return
    half = nets[net]["bfloat16"]
    halves = {f"{peer} bfloat16" for peer in PEERS}
    assert set(half["images_per_second"]) == {PROJECT, single["best_peer"]} | halves
    assert not left_out(half)


def test_input(quick):
    found = quick(input.main)["next_batch"]
    assert not left_out(found)
    assert {PROJECT, "tf.data"} <= set(found["images_per_second"])


@pytest.mark.bfloat16
def test_an_epoch_has_all_images_and_ends_with_a_checkpoint(quick, monkeypatch):
    seen, train = [], Optimizer.train

    def noting(optimizer, sess, run, **options):
        train(optimizer, sess, run, **options)
        steps = [path.name for path in Path(run).glob("checkpoints/step-*")]
        seen.append((optimizer.train_set.num_examples, steps))

    monkeypatch.setattr(Optimizer, "train", noting)
    (found,) = quick(epoch.main)["recipes"].values()
    torch = {"torch", "torch, batches ahead"} if HAS_TORCH else set()
    assert set(found["images_per_second"]) == {PROJECT, epoch.BARE} | torch
    assert not left_out(found)
    assert found["num_images"] == 16
    assert seen
    assert all(images == 16 and names == ["step-00000002"] for images, names in seen)


@pytest.mark.long
def test_memory(quick):
    kept = np.ones(400_000_000, np.uint8)
    rows = quick(memory.main)["peaks"]
    names = {PROJECT, f"{PROJECT}, {memory.FEW} images", *PEERS}
    assert {row["contestant"] for row in rows if row.get("peak_bytes", 0) > kept.nbytes} == names
    assert {row["precision"] for row in rows} == {"float32" if hardware.emulation() else "bfloat16"}


@pytest.mark.bfloat16
def test_filter_gradients(quick, capsys):
    figures = quick(filter_gradients.main)
    num_precisions = 1 if hardware.emulation() else 2
    assert [row["taken"] for row in figures["rows"]] == [True] * 2 * num_precisions
    assert all(row[way] > 0 for row in figures["rows"] for way in filter_gradients.WAYS)
    assert "| 2 x 7x7x32 | 3x3, 128 channels |" in capsys.readouterr().out


def test_a_step_of_the_project_trains(monkeypatch):
    monkeypatch.setattr(training, "LEARNING_RATE", 0.05)
    case = NETS["resnet20"]._replace(side=8, batch_size=8, options={"stages": (1, 1, 1)})
    losses = []
    run = tf.compat.v1.Session.run

    def noting(session, fetches, feed_dict=None):
        values = run(session, fetches, feed_dict)
        if feed_dict:
            losses.append(float(values[1]))
        return values

    monkeypatch.setattr(tf.compat.v1.Session, "run", noting)
    step = training.project_step(case, "float32")
    assert [step() for _ in range(15)] == [8] * 15
    assert losses[-1] < losses[0] / 2


def test_options_choose_the_cases():
    words = ["resnet20", "resnet50", "--batch-size", "3", "5", "--threads", "7"]
    found = [case for _, case in training.cases(training.main.parse(words))]
    assert [(case.network, case.batch_size) for case in found] == [
        ("resnet20", 3),
        ("resnet20", 5),
        ("resnet50", 3),
        ("resnet50", 5),
    ]
    assert {case.threads for case in found} == {7}
    found = [case for _, case in training.cases(training.main.parse([]))]
    assert [(case.network, case.side, case.batch_size) for case in found] == [
        ("alexnet", 227, 64),
        ("alexnet", 227, 128),
        ("resnet50", 224, 16),
        ("resnet50", 224, 32),
        ("resnet18", 224, 32),
        ("resnet20", 32, 128),
    ]


def test_the_images_of_a_prediction_are_larger_than_its_windows():
    case = NETS["alexnet"]._replace(batch_size=inference.BATCH_SIZE)
    assert inference.images_of(case).shape == (16, 256, 256, 3)
    assert inference.images_of(NETS["resnet50"].quick()).shape == (4, 37, 37, 3)


def test_the_ten_windows_of_the_peers_are_the_projects():
    images = noise(2, 9)
    crops = inference.ten_crops(images, 6, lambda crop: crop[:, :, ::-1])
    dataset = DataSet(images, crop_size=6)
    np.testing.assert_array_equal(np.stack(crops, axis=1), dataset.batch([0, 1], augment=True)[0])


def test_a_peer_whose_memory_cannot_be_measured_is_left_out(tmp_path, monkeypatch):
    def call(function, name, *case, quick):
        raise ImportError(f"No module named '{name}'\nmore")

    monkeypatch.setattr(memory, "call_fresh", call)
    row = memory._row("torch", tmp_path, memory.QUICK, "bfloat16", quick=True)
    assert row["left_out"] == "ImportError: No module named 'torch'"
    with pytest.raises(ImportError):
        memory._row(PROJECT, tmp_path, memory.QUICK, "bfloat16", quick=True)


def test_operations_of_a_convolution_by_hand():
    # 2 images, 4x4 pixels of output, 9 places, 3 and 5 channels: 2 * 16 * 9 * 15 multiply-adds
    shape = filter_gradients.Shape(2, 8, 3, 5, stride=2)
    assert shape.gflop() == pytest.approx(2 * 2 * 16 * 9 * 15 / 1e9)
    assert shape.texts() == ("2 x 8x8x3", "3x3, 5 channels, stride 2")
