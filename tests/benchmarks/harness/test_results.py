"""benchmarks/harness/results.py: statistics of rates, worked out by hand."""

import json

import pytest

from benchmarks.harness import results
from benchmarks.harness.turns import PROJECT
from models.runtime import cpu

RATES = {PROJECT: [30.0, 40.0, 20.0], "peer": [10.0, 20.0, 40.0], "other": [5.0, 5.0, 100.0]}
CPU_INFO = """processor\t: 0
model name\t: Some CPU: 2 GHz
flags\t\t: fpu avx2 amx_tile avx512_bf16

processor\t: 1
model name\t: Some CPU: 2 GHz
flags\t\t: fpu avx2 amx_tile avx512_bf16
"""


@pytest.fixture
def cpu_info(tmp_path, monkeypatch):
    """Write /proc/cpuinfo of a machine with two cores."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPU_INFO)
    monkeypatch.setattr(cpu, "CPU_INFO", path)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    return path


def test_a_summary_worked_out_by_hand():
    found = results.summary(RATES, {"absent": "no such module"})
    assert found["images_per_second"] == {
        PROJECT: {"median": 30.0, "min": 20.0, "max": 40.0},
        "peer": {"median": 20.0, "min": 10.0, "max": 40.0},
        "other": {"median": 5.0, "min": 5.0, "max": 100.0},
    }
    assert found["best_peer"] == "peer"
    assert found["ratio"] == {"median": 2.0, "min": 0.5, "max": 3.0}  # of the rounds 3, 2 and 0.5
    assert found["left_out"] == {"absent": "no such module"}
    assert found["rates"] == RATES
    assert "share_of_ceiling" not in found
    json.dumps(found, allow_nan=False)


def test_shares_of_the_ceiling():
    ceilings = {PROJECT: 300.0, "peer": 100.0, "other": 50.0}
    found = results.summary(RATES, {}, gflop=2.0, ceilings=ceilings)
    assert found["gflop_per_image"] == 2.0
    assert found["share_of_ceiling"] == {PROJECT: 0.2, "peer": 0.4, "other": 0.2}


def test_the_fastest_has_the_largest_median():
    assert results.fastest({"slow": [10.0, 900.0, 20.0], "fast": [100.0, 100.0, 200.0]}) == "fast"
    assert results.fastest({}) is None


def test_the_project_alone_has_no_ratio():
    found = results.summary({PROJECT: [1.0]}, {"peer": "left"})
    assert (found["best_peer"], found["ratio"]) == (None, None)


def test_the_environment_names_what_decides_the_speed(cpu_info):
    found = results.environment(threads=3)
    assert (found["processor"], found["cores"], found["threads"]) == ("Some CPU: 2 GHz", 2, 3)
    assert found["flags"] == ["avx2", "avx512_bf16", "amx_tile"]
    assert {"python", "tensorflow", "numpy"} <= set(found["versions"])
    json.dumps(found, allow_nan=False)


def test_without_cpuinfo_the_processor_has_some_name(cpu_info):
    cpu_info.unlink()
    found = results.environment(threads=1)
    assert isinstance(found["processor"], str)
    assert (found["cores"], found["flags"]) == (2, [])
