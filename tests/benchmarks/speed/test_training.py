import pytest
import tensorflow as tf

from benchmarks.harness.hardware import PRECISIONS
from benchmarks.harness.nets import NETS
from benchmarks.harness.turns import PROJECT
from benchmarks.speed import training
from tests.benchmarks.speed.conftest import PEERS, left_out


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
