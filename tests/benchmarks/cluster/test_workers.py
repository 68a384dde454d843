"""benchmarks/cluster/workers.py: two workers against one process."""

import json

import pytest

from benchmarks.cluster import scaling, workers


@pytest.mark.usefixtures("closed_network")
def test_two_workers_and_one_process_take_turns_and_are_traced(tmp_path, capsys):
    workers.main(["--quick", "--output", str(tmp_path / "workers.json")])
    figures = json.loads((tmp_path / "workers.json").read_text())
    [case] = figures["cases"]
    assert list(case["rates"]) == [workers.PROJECT, workers.TWO]
    assert [step["workers"] for step in case["scaling"]["steps"]] == [1, 2]
    assert all(0 <= step["waiting"] < 1 for step in case["scaling"]["steps"])
    gradients = max(size for _, size in case["scaling"]["buckets"])
    assert gradients > 4 * 1000  # of 1,386 parameters
    assert figures["sums"]["handling"] > 0
    assert "| resnet20, 4 |" in capsys.readouterr().out


def test_ratios_are_taken_round_by_round_and_bytes_by_the_gradients():
    rates = {"project": [1.0, 2.0], workers.TWO: [2.0, 3.0], workers.HALF: [1.0, 1.0]}
    case = {"net": "alexnet", "batch_size": 8, "rates": rates, "sent_bytes": 105, "gradient_bytes": 100}
    row = workers.table({"cases": [case]}).splitlines()[-1]
    assert row == "| alexnet, 8 | 2.5 | 1.75 (1.50 to 2.00) | 1.25 (1.00 to 1.50) |  | 1.05 | 0.85, 1.1 |"


def test_buckets_are_compared_with_the_usual_ones():
    rates = dict(
        zip((f"project, {name}" for name in workers.BUCKETS), ([2.0], [1.0], [2.0], [3.0]), strict=True)
    )
    row = workers.table({"cases": [{"net": "alexnet", "buckets": rates}]}).splitlines()[-1]
    assert row == "| alexnet | 2 | 0.50 (0.50 to 0.50) | 1.00 (1.00 to 1.00) | 1.50 (1.50 to 1.50) |"


TRACED = {
    "net": "alexnet",
    "scaling": {
        "images": 8,
        "steps": [
            {"workers": 1, "seconds": 2.0, "waiting": 0.0},
            {"workers": 4, "seconds": 8.0, "waiting": 0.5},
        ],
        "buckets": [[1.0, 5 * 10**8]],
    },
}
FIGURES = {"cases": [TRACED], "sums": {"handling": 0.0, "latency": 0.5}, "environment": {"cores": 2}}


def test_workers_that_share_cores_are_simulated_more_slowly():
    # A step of 2 s takes 4 s on half a core, and the six rounds of a ring of four 3 s.
    row = workers.table(FIGURES).splitlines()[-1]
    assert row == "| alexnet, 8 | 4 | 8,000 | 50% | 4 | 4.57 |"


def test_the_simulation_goes_on_to_64_workers():
    # At 1 Gbit/s, two workers send 5e8 bytes in 4 s, after 1 s and before 1 s of updates: 2 s of 6.
    row = scaling.simulated_table(FIGURES).splitlines()[2]
    assert row.startswith("| alexnet, 8 | 1 | 0.1 | 33% |")
    assert row.count("|") == 10
