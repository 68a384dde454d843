"""The project against itself with other settings."""

import json
import os

import pytest

from benchmarks.speed import performance, settings
from models.filter_gradients import LARGEST_SIDE


@pytest.mark.bfloat16
def test_a_quick_measurement_changes_nothing_for_good(monkeypatch, tmp_path):
    output = tmp_path / "settings.json"
    monkeypatch.setattr("sys.argv", ["settings", "--quick", "--output", str(output)])
    before = dict(LARGEST_SIDE), dict(os.environ)
    settings.main()
    assert (dict(LARGEST_SIDE), dict(os.environ)) == before
    [found] = json.loads(output.read_text())["cases"]
    assert found["rates"].keys() == settings.SETTINGS.keys()
    assert found["failures"] == {}


def test_a_row_says_how_much_faster_the_project_is_as_it_is():
    rates = {"project": [30.0, 40.0, 50.0], "one operation at a time": [20.0, 40.0, 40.0]}
    cases = [{"net": "alexnet", "batch_size": 64, "rates": rates}]
    assert performance.settings_table({"cases": cases}).splitlines()[2:] == [
        "| alexnet, batch 64 | nothing | 40 |  |",
        "| alexnet, batch 64 | one operation at a time | 40 | 1.25 (1.00 to 1.50) |",
    ]
