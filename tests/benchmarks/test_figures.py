"""What the benchmarks say of their rates: values worked out by hand."""

import json

import pytest

from benchmarks.harness import figures
from benchmarks.harness.sides import PROJECT
from learning.machine import cpu as processor

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
    """What a Linux with two cores says of them."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPU_INFO)
    monkeypatch.setattr(processor, "CPU_INFO", path)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    return path


def test_a_summary_worked_out_by_hand():
    found = figures.summary(RATES, {"absent": "no such module"})
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
    found = figures.summary(RATES, {}, gflop=2.0, ceilings=ceilings)
    assert found["gflop_per_image"] == 2.0
    assert found["share_of_ceiling"] == {PROJECT: 0.2, "peer": 0.4, "other": 0.2}


def test_the_project_alone_has_no_ratio():
    found = figures.summary({PROJECT: [1.0]}, {"peer": "left"})
    assert (found["best_peer"], found["ratio"]) == (None, None)


def test_the_table_has_every_contestant_the_ratio_and_who_was_left_out(capsys):
    ceilings = dict.fromkeys(RATES, 200.0)
    figures.print_table("Made up", figures.summary(RATES, {"absent": "none"}, gflop=2.0, ceilings=ceilings))
    lines = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert "Made up" in lines[0]
    assert "project 30 20 40 30%" in lines
    assert "peer 20 10 40 20%" in lines
    assert "project / peer 2.00 0.50 3.00" in lines
    assert "absent: none" in lines


def test_the_table_of_the_project_alone_has_no_ratio(capsys):
    figures.print_table("Alone", figures.summary({PROJECT: [1.0]}, {}))
    assert "project /" not in capsys.readouterr().out


def test_the_environment_names_what_decides_the_speed(cpu_info):
    found = figures.environment(threads=3)
    assert (found["processor"], found["cores"], found["threads"]) == ("Some CPU: 2 GHz", 2, 3)
    assert found["flags"] == ["avx2", "avx512_bf16", "amx_tile"]
    assert {"python", "tensorflow", "numpy"} <= set(found["versions"])
    json.dumps(found, allow_nan=False)


def test_without_cpuinfo_the_processor_has_some_name(cpu_info):
    cpu_info.unlink()
    found = figures.environment(threads=1)
    assert isinstance(found["processor"], str)
    assert (found["cores"], found["flags"]) == (2, [])


def test_figures_are_written_as_json(tmp_path):
    figures.write(tmp_path / "out.json", {"a": [1.5]})
    assert json.loads((tmp_path / "out.json").read_text()) == {"a": [1.5]}


def test_a_contestant_without_a_limit_has_no_share_in_the_table(capsys):
    found = figures.summary(RATES, {}, gflop=2.0, ceilings={PROJECT: 120.0, "peer": 120.0})
    figures.print_table("rates", found)
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if "project " in line).rstrip(" │").endswith("50%")
    assert next(line for line in lines if "other" in line).split("│")[-2].strip() == ""
