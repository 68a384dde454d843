"""The measurement of training steps: that every contestant works, on which nets, and what a step costs."""

import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.harness import commands
from benchmarks.harness import contestants as taking_part
from benchmarks.harness.contestants import contestants
from benchmarks.harness.hardware import PRECISIONS
from benchmarks.harness.sides import PROJECT
from benchmarks.speed import ceiling, training, training_steps
from learning.errors import UsageError
from learning.training.network import build_model
from tests.conftest import whole_net

WIDE_NETS = ("alexnet", "resnet18", "resnet50")
NO_PEER = {"best_peer": None}
CEILINGS = {
    "float32": {"tensorflow": 100.0, "torch": 120.0},
    "bfloat16": {"tensorflow": 400.0, "torch": 300.0},
}


@pytest.fixture
def command(monkeypatch):
    """The benchmark's `main` with a command line."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["training", *map(str, arguments)])
        return training.main()

    return call


def one_case(name, **changes):
    net = training.NETS[name]
    case = training_steps.Case(name, net.network, net.side, net.num_classes, 2, net.rule, net.options, 0)
    return case._replace(**changes)


@pytest.mark.bfloat16
@pytest.mark.parametrize(
    "names",
    [
        ["resnet20"],
        pytest.param(["alexnet", "resnet18", "resnet50", "alexnet-lrn"], marks=pytest.mark.long),
    ],
    ids="-".join,
)
def test_a_quick_run_has_every_contestant(names, command, one_torch_thread, tmp_path, capsys):
    command(*names, "--quick", "--precision", "bfloat16", "--output", tmp_path / "out.json")
    figures = json.loads((tmp_path / "out.json").read_text())
    assert [found["net"] for found in figures["cases"]] == names
    peers = {f"{library} {precision}" for library in ("torch", "keras") for precision in PRECISIONS}
    for found in figures["cases"]:
        rates, left_out = found["images_per_second"], found["left_out"]
        assert set(rates) | set(left_out) == {PROJECT} | peers
        assert all("No module named 'torch'" in reason for reason in left_out.values())
        assert all(spread["median"] > 0 for spread in rates.values())
        assert found["batch_size"] == 4
    assert (figures["options"]["quick"], figures["ceiling_gflops"]) == (True, None)
    assert "project / " in capsys.readouterr().out


def test_options_choose_the_cases(command, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(training, "measure_case", lambda *arguments: asked.append(arguments[:2]) or NO_PEER)
    monkeypatch.setattr(training, "print_table", lambda *arguments: None)
    monkeypatch.setattr(training, "ceiling", lambda threads, measured: CEILINGS)
    command("resnet20", "resnet50", "--batch-size", 3, 5, "--precision", "float32", "--threads", 7)
    assert [(case.network, case.batch_size, precision) for case, precision in asked] == [
        ("resnet20", 3, "float32"),
        ("resnet20", 5, "float32"),
        ("resnet50", 3, "float32"),
        ("resnet50", 5, "float32"),
    ]
    assert {case.threads for case, _ in asked} == {7}
    asked.clear()
    monkeypatch.setattr(commands, "emulation", lambda: "")
    command()
    assert [(case.network, case.side, case.batch_size) for case, _ in asked[::2]] == [
        ("alexnet", 227, 64),
        ("alexnet", 227, 128),
        ("resnet50", 224, 16),
        ("resnet50", 224, 32),
        ("resnet18", 224, 32),
        ("resnet20", 32, 128),
    ]
    assert [precision for _, precision in asked[:2]] == ["float32", "bfloat16"]
    asked.clear()
    monkeypatch.setattr(commands, "emulation", lambda: "no units")
    command("alexnet")
    assert {precision for _, precision in asked} == {"float32"}
    left_out = "bfloat16 is left out: it is emulated: no units; --precision bfloat16 measures it\n"
    assert left_out in capsys.readouterr().out
    command("alexnet", "--precision", "both")
    assert {precision for _, precision in asked} == {"float32", "bfloat16"}


def test_impossible_options_are_named(command):
    with pytest.raises(UsageError, match="'resnet21' is not one of alexnet, resnet50"):
        command("resnet21")
    with pytest.raises(UsageError, match="--batch-size is 0; give 1 or more"):
        command("alexnet", "--batch-size", 0)


def test_in_bfloat16_the_peers_may_take_part_in_float32(monkeypatch):
    monkeypatch.setattr(taking_part, "leaves_onednn_off", lambda: False)
    case = one_case("resnet20")
    assert set(contestants(training.STEPS, case, "float32", None, tuned=True)) == {
        PROJECT, "torch float32", "torch float32 compiled", "keras float32",
    }  # fmt: skip
    assert set(contestants(training.STEPS, case, "bfloat16", "keras float32", tuned=True)) == {
        PROJECT, "torch bfloat16", "torch bfloat16 compiled", "keras bfloat16", "keras float32",
    }  # fmt: skip
    found = contestants(training.STEPS, case, "bfloat16", None, tuned=True)
    assert len(found) == 1 + 2 * 3
    assert found["torch float32 compiled"].arguments == (case, "float32", True)
    assert found[PROJECT].arguments == (case, "bfloat16")


def test_keras_takes_part_with_onednn_too_where_it_is_off_as_installed(monkeypatch):
    monkeypatch.setattr(taking_part, "leaves_onednn_off", lambda: True)
    case = one_case("resnet20")
    found = contestants(training.STEPS, case, "float32", None, tuned=True)
    assert set(found) == {
        PROJECT, "torch float32", "torch float32 compiled", "keras float32", "keras float32 oneDNN",
    }  # fmt: skip
    assert found["keras float32"].arguments == (case, "float32", False)
    assert found["keras float32 oneDNN"].arguments == (case, "float32", True)
    assert "keras float32 oneDNN" not in contestants(training.STEPS, case, "float32", None, tuned=False)


def test_every_contestant_has_the_limit_of_its_precision():
    names = [PROJECT, "torch float32 compiled", "keras bfloat16"]
    assert ceiling.limits(names, "bfloat16", CEILINGS) == {
        PROJECT: 400.0, "torch float32 compiled": 120.0, "keras bfloat16": 400.0,
    }  # fmt: skip
    assert ceiling.limits([PROJECT], "float32", CEILINGS) == {PROJECT: 120.0}
    assert ceiling.limits(names, "bfloat16", {"float32": CEILINGS["float32"]}) == {
        "torch float32 compiled": 120.0
    }


def test_the_cost_of_a_step_worked_out_by_hand():
    # one block a stage, 8x8 pixels: stem, three times two 3x3 convolutions on 8x8, 4x4 and 2x2, and the last layer
    forward = 64 * 27 * 16 + 2 * 64 * 144 * 16
    forward += 16 * (144 * 32 + 288 * 32) + 4 * (288 * 64 + 576 * 64) + 64 * 10
    found = training_steps.gflop_per_image(one_case("resnet20", side=8, options={"stages": (1, 1, 1)}))
    assert found == pytest.approx(6 * forward / 1e9)


@pytest.mark.parametrize(
    "name", ["resnet20", *(pytest.param(name, marks=pytest.mark.long) for name in WIDE_NETS)]
)
def test_keras_nets_have_the_projects_parameters(name):
    from benchmarks.peers.keras_nets import build

    ours = whole_net(name)
    peer = build(name, ours.input_shape[0], ours.num_classes)
    assert sum(int(np.prod(v.shape)) for v in peer.trainable_variables) == ours.num_parameters
    assert peer.input.dtype == "uint8"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_narrow_keras_nets_have_the_projects_parameters(name):
    from benchmarks.peers.keras_nets import build

    options = {"stages": (1, 2), "widths": (4, 8)}
    case = one_case(name, side=16, num_classes=3, options=options)
    with tf.Graph().as_default():
        ours = build_model(training_steps.run_config(case, "float32"), (16, 16, 3), 3)
    peer = build(name, 16, 3, **options)
    assert sum(int(np.prod(v.shape)) for v in peer.trainable_variables) == ours.num_parameters


@pytest.mark.parametrize("name", ["resnet20", *WIDE_NETS])
def test_torch_nets_have_the_projects_parameters(name):
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_nets import build

    ours = whole_net(name)
    with torch.device("meta"):  # shapes without memory
        peer = build(name, ours.input_shape[0], ours.num_classes)
    assert sum(p.numel() for p in peer.parameters()) == ours.num_parameters


def test_dropout_is_where_the_projects_is():
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_nets import build

    net = build("alexnet", 67, 2, dropout_prob=0.5)
    torch.manual_seed(0)
    images, kept = torch.rand(2, 3, 67, 67), []
    for layer in (net.fc7, net.fc8):
        layer.register_forward_hook(lambda layer, inputs, out: kept.append(inputs[0]))
    net.train()(images)
    net.eval()(images)
    zeros = [(values == 0).float().mean().item() for values in kept]
    assert all(dropped > whole + 0.1 for dropped, whole in zip(zeros[:2], zeros[2:], strict=True))


def test_the_ceiling_is_the_median_of_the_products(monkeypatch):
    rates = {PROJECT: [1.0, 3.0, 2.0], "torch": [4.0, 4.0, 10.0]}
    monkeypatch.setattr(ceiling, "measure", lambda contestants, **options: (rates, {}))
    assert set(ceiling.ceiling(1, ("float32", "bfloat16"))) == {"float32", "bfloat16"}
    found = ceiling.ceiling(1, ("float32",))
    assert set(found) == {"float32"}
    product = 2 * 2048**3 / 1e9
    assert found["float32"] == {"tensorflow": 2 * product, "torch": 4 * product}


def test_the_ceilings_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(ceiling, "ceiling", lambda threads, measured, **options: CEILINGS)
    arguments = ["--threads", "2", "--precision", "both", "--output", str(tmp_path / "out.json")]
    monkeypatch.setattr("sys.argv", ["ceiling", *arguments])
    ceiling.main()
    lines = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert {"tensorflow 100 400", "torch 120 300"} <= set(lines)
    assert json.loads((tmp_path / "out.json").read_text())["gflops"] == CEILINGS


def test_a_step_of_the_project_trains(monkeypatch):
    monkeypatch.setattr(training_steps, "LEARNING_RATE", 0.05)
    case = one_case("resnet20", side=8, batch_size=8, options={"stages": (1, 1, 1)})
    losses = []
    run = tf.compat.v1.Session.run

    def noting(session, fetches, feed_dict=None):
        values = run(session, fetches, feed_dict)
        if feed_dict:
            losses.append(float(values[1]))
        return values

    monkeypatch.setattr(tf.compat.v1.Session, "run", noting)
    step = training_steps.project_step(case, "float32")
    assert [step() for _ in range(15)] == [8] * 15
    assert losses[-1] < losses[0] / 2
