"""learning/reports/comparison.py: runs in order, what differs, and what must not be compared."""

import csv
import json

import pytest

from learning.compare import main
from learning.config.run_config import DataConfig, OptimizerConfig, RunConfig, TrainConfig
from learning.errors import CheckpointError, UsageError
from learning.reports.comparison import compare, table, write_comparison
from tests.support.pages import cells, history, make_run, read_page, results
from tests.support.scripts import call_main

MATRICES = {"good": [[98, 2], [2, 98]], "fair": [[97, 3], [3, 97]], "poor": [[60, 40], [40, 60]]}


def runs(folder, *, matrices=MATRICES, **options):
    """One run for each matrix; `options` gives the configuration and facts of a run by its name."""
    paths = []
    for name, matrix in matrices.items():
        config, info = options.get(name, (RunConfig(), {}))
        tested = results(matrix, ("cat", "dog"))
        rows = history(3, val_score=lambda epoch: 0.2 * epoch)
        facts = {"data_fingerprint": "a"} | info
        paths.append(make_run(folder / name, config=config, info=facts, rows=rows, tested=tested))
    return paths


def test_best_first_and_what_chance_may_have_ordered(tmp_path):
    found = compare(list(reversed(runs(tmp_path))))
    assert found.names == ("good", "fair", "poor")
    assert [row["accuracy"] for row in found.rows] == [0.98, 0.97, 0.6]
    assert found.warnings == ()
    assert found.notes == ("The 95% interval of good overlaps with that of fair: their order may be chance.",)


def test_a_metric_of_which_less_is_better(tmp_path):
    config = RunConfig(train=TrainConfig(evaluator="error_rate"))
    paths = runs(tmp_path, good=(config, {}), fair=(config, {}), poor=(config, {}))
    for path, value in zip(paths, (0.3, 0.1, 0.2), strict=True):
        tested = json.loads((path / "test.json").read_text())
        tested["scores"][0]["error_rate"] = value
        (path / "test.json").write_text(json.dumps(tested))
    assert compare(paths).names == ("fair", "poor", "good")


def test_only_options_that_differ_are_listed(tmp_path):
    watched = TrainConfig(tensorboard=True, threads=1)
    fast = RunConfig(optimizer=OptimizerConfig(init_learning_rate=0.5), data_dir="elsewhere", train=watched)
    found = compare(runs(tmp_path, fair=(fast, {})))
    assert found.options == {"optimizer.init_learning_rate": (0.01, 0.5, 0.01)}
    lines = table(found)
    assert lines[-1].split() == ["optimizer.init_learning_rate", "0.01", "0.5", "0.01"]
    assert lines[1].split()[:2] == ["good", "0.9800"]


def test_other_data_and_other_test_sets_are_said_first(tmp_path):
    matrices = {**MATRICES, "poor": [[60, 40], [40, 61]]}
    config = RunConfig(data=DataConfig(image_size=128, crop_size=96))
    found = compare(runs(tmp_path, matrices=matrices, fair=(config, {"data_fingerprint": "b"})))
    assert found.warnings == (
        "TEST SETS DIFFER, so their scores cannot be compared: good, fair / poor.",
        "DATA DIFFER (names, pixels, labels or the split), so part of a difference may come from the images: "
        "good, poor / fair.",
    )


def test_a_run_without_a_test_is_last(tmp_path):
    paths = runs(tmp_path)
    (paths[0] / "test.json").unlink()
    found = compare(paths)
    assert found.names == ("fair", "poor", "good")
    assert found.warnings == ("NOT TESTED: good.",)
    assert table(found)[3].split()[:2] == ["good", "-"]


def test_what_is_written(tmp_path):
    fast = RunConfig(optimizer=OptimizerConfig(init_learning_rate=0.5))
    page, table_file, values = write_comparison(
        compare(runs(tmp_path, good=(fast, {}))), tmp_path / "a" / "out"
    )
    rows = list(csv.DictReader(table_file.read_text().splitlines()))
    assert [row["run"] for row in rows] == ["good", "fair", "poor"]
    assert rows[0]["optimizer.init_learning_rate"] == "0.5"
    found = json.loads(values.read_text())
    assert found["runs"][0]["accuracy"] == 0.98
    assert found["options"] == {"optimizer.init_learning_rate": [0.5, 0.01, 0.01]}
    assert ["optimizer.init_learning_rate", "0.5", "0.01", "0.01"] in cells(page)
    assert read_page(page).tags.count("svg") == 3


def test_runs_of_the_same_name(tmp_path):
    first, second = (runs(tmp_path / part, matrices={"run": MATRICES["good"]})[0] for part in "ab")
    assert set(compare([first, second]).names) == {str(first), str(second)}


def test_the_program(tmp_path, capsys):
    paths = runs(tmp_path)
    call_main(main, *paths, "--output", tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["run", "good", "fair", "poor"]
    assert lines[-1].startswith("written: ")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html",
        "compare.csv",
        "compare.json",
    }


def test_what_cannot_be_compared(tmp_path):
    [path] = runs(tmp_path, matrices={"run": MATRICES["good"]})
    with pytest.raises(UsageError, match="1 run cannot be compared; give two or more"):
        compare([path])
    with pytest.raises(UsageError, match="a run is given twice"):
        compare([path, path / ".." / "run"])
    with pytest.raises(CheckpointError, match="does not exist"):
        compare([path, tmp_path / "missing"])
