"""benchmarks/speed/freezing.py: a training step with parts of the network frozen."""

import json

from benchmarks.speed import freezing


def test_every_way_takes_turns_and_is_compared_with_nothing_frozen(tmp_path, capsys):
    freezing.main(["--quick", "--output", str(tmp_path / "freezing.json")])
    figures = json.loads((tmp_path / "freezing.json").read_text())
    assert list(figures["rates"]) == ["nothing", "all but the last layer"]
    assert "| nothing |  |" in capsys.readouterr().out


def test_the_ratio_is_taken_round_by_round():
    rates = {"nothing": [10.0, 20.0], "all but the last layer": [20.0, 60.0]}
    row = freezing.table({"rates": rates}).splitlines()[-1]
    assert row == "| all but the last layer | `head-only` | 40 | 2.50 (2.00 to 3.00) |"
