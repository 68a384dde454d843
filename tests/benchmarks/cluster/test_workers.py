"""benchmarks/cluster/workers.py: two workers against one process."""

import json

from benchmarks.cluster import workers


def test_two_workers_and_one_process_take_turns(tmp_path, capsys):
    workers.main(["--quick", "--output", str(tmp_path / "workers.json")])
    [case] = json.loads((tmp_path / "workers.json").read_text())["cases"]
    assert list(case["rates"]) == [workers.PROJECT, workers.TWO]
    assert "| resnet20, 4 |" in capsys.readouterr().out


def test_ratios_are_taken_round_by_round_and_bytes_by_the_gradients():
    rates = {"project": [1.0, 2.0], workers.TWO: [2.0, 3.0], workers.HALF: [1.0, 1.0]}
    case = {"net": "alexnet", "batch_size": 8, "rates": rates, "sent_bytes": 105, "gradient_bytes": 100}
    row = workers.table({"cases": [case]}).splitlines()[-1]
    assert row == "| alexnet, 8 | 2.5 | 1.75 (1.50 to 2.00) | 1.25 (1.00 to 1.50) |  | 1.05 | 0.85, 1.1 |"
