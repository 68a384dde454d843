"""benchmarks/harness/nets.py: the contestants, the cost of a step, and the machine's ceiling."""

import pytest

from benchmarks.harness import ceiling, nets
from benchmarks.harness.nets import NETS, contestants
from benchmarks.harness.turns import PROJECT

STEPS = dict.fromkeys((PROJECT, "torch", "keras"), print)
CASE = NETS["resnet20"]
CEILINGS = {
    "float32": {"tensorflow": 100.0, "torch": 120.0},
    "bfloat16": {"tensorflow": 400.0, "torch": 300.0},
}


def test_in_bfloat16_the_peers_may_take_part_in_float32(monkeypatch):
    monkeypatch.setattr(nets, "leaves_onednn_off", lambda: False)
    assert set(contestants(STEPS, CASE, "float32", None, tuned=True)) == {
        PROJECT, "torch float32", "torch float32 compiled", "keras float32",
    }  # fmt: skip
    assert set(contestants(STEPS, CASE, "bfloat16", "keras float32", tuned=True)) == {
        PROJECT, "torch bfloat16", "torch bfloat16 compiled", "keras bfloat16", "keras float32",
    }  # fmt: skip
    found = contestants(STEPS, CASE, "bfloat16", None, tuned=True)
    assert len(found) == 1 + 2 * 3
    assert found["torch float32 compiled"].arguments == (CASE, "float32", True)
    assert found[PROJECT].arguments == (CASE, "bfloat16")


def test_keras_takes_part_with_onednn_too_where_it_is_off_as_installed(monkeypatch):
    monkeypatch.setattr(nets, "leaves_onednn_off", lambda: True)
    found = contestants(STEPS, CASE, "float32", None, tuned=True)
    assert set(found) == {
        PROJECT, "torch float32", "torch float32 compiled", "keras float32", "keras float32 oneDNN",
    }  # fmt: skip
    assert found["keras float32"].arguments == (CASE, "float32", False)
    assert found["keras float32 oneDNN"].arguments == (CASE, "float32", True)
    assert "keras float32 oneDNN" not in contestants(STEPS, CASE, "float32", None, tuned=False)


def test_every_contestant_has_the_limit_of_its_precision():
    names = [PROJECT, "torch float32 compiled", "keras bfloat16"]
    assert ceiling.limits(names, "bfloat16", CEILINGS) == {
        PROJECT: 400.0, "torch float32 compiled": 120.0, "keras bfloat16": 400.0,
    }  # fmt: skip
    assert ceiling.limits([PROJECT], "float32", CEILINGS) == {PROJECT: 120.0}
    assert ceiling.limits(names, "bfloat16", {"float32": CEILINGS["float32"]}) == {
        "torch float32 compiled": 120.0
    }


def test_the_ceiling_is_the_median_of_the_products(monkeypatch):
    rates = {PROJECT: [1.0, 3.0, 2.0], "torch": [4.0, 4.0, 10.0]}
    monkeypatch.setattr(ceiling, "measure", lambda contestants, **options: (rates, {}))
    assert set(ceiling.measure_ceilings(1, ("float32", "bfloat16"))) == {"float32", "bfloat16"}
    product = 2 * 2048**3 / 1e9
    assert ceiling.measure_ceilings(1, ("float32",)) == {
        "float32": {"tensorflow": 2 * product, "torch": 4 * product}
    }


def test_the_cost_of_an_image_worked_out_by_hand():
    # one block a stage, 8x8 pixels: stem, three times two 3x3 convolutions on 8x8, 4x4 and 2x2, and the last layer
    forward = 64 * 27 * 16 + 2 * 64 * 144 * 16
    forward += 16 * (144 * 32 + 288 * 32) + 4 * (288 * 64 + 576 * 64) + 64 * 10
    found = CASE._replace(side=8, options={"stages": (1, 1, 1)}).size()[0]
    assert found == pytest.approx(2 * forward / 1e9)
