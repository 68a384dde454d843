"""Runs of earlier versions are tested, predicted and resumed with their results.

`python -m tests.old_runs compare COMMIT` compares them to the bit, on one machine with both versions. Here the
results come from another machine, so figures have a tolerance for its kernels.
"""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.old_runs import EPOCHS_RESUMED, ROOT, digit_files
from tests.support.scripts import call_main

pytestmark = pytest.mark.usefixtures("without_pictures")

ARCHIVES = sorted((ROOT / "tests" / "data").glob("*.zip"))
ONE_IMAGE = 0.035  # of some sixty that are scored: more than one label of another kernel is a defect


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.stem)
def kept(request, tmp_path_factory):
    """Unpack the run, and the results of its own version."""
    folder = tmp_path_factory.mktemp("kept")
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    return folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def accuracies(path):
    return [score["accuracy"] for score in json.loads(Path(path).read_text(encoding="utf-8"))["scores"]]


def test_there_are_runs_of_two_versions():
    assert len(ARCHIVES) == 2


def test_has_the_test_scores_of_its_own_version(kept, tmp_path):
    call_main("test.py", "--run", kept / "run", "--output", tmp_path)
    assert accuracies(tmp_path / "test.json") == pytest.approx(accuracies(kept / "test.json"), abs=ONE_IMAGE)


def test_predicts_the_labels_of_its_own_version(kept, tmp_path):
    files = digit_files(tmp_path / "digits")
    call_main("predict.py", files, "--run", kept / "run", "--output", tmp_path / "out.csv")
    found, expected = rows(tmp_path / "out.csv"), rows(kept / "predictions.csv")
    assert [Path(row["path"]).name for row in found] == [Path(row["path"]).name for row in expected]
    assert sum(row["class1"] != other["class1"] for row, other in zip(found, expected, strict=True)) <= 1


def test_resumes_to_the_results_of_its_own_version(kept):
    call_main("train.py", "--resume", kept / "run", "--train.num_epochs", EPOCHS_RESUMED)
    found, expected = rows(kept / "run" / "history.csv"), rows(kept / "resumed" / "history.csv")
    assert len(found) == len(expected) == EPOCHS_RESUMED
    for row, other in zip(found, expected, strict=True):
        assert row.keys() == other.keys()
        assert row["epoch"] == other["epoch"] and row["learning_rate"] == other["learning_rate"]
        assert float(row["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-2)
    assert accuracies(kept / "run" / "test.json") == pytest.approx(
        accuracies(kept / "resumed" / "test.json"), abs=ONE_IMAGE
    )


@pytest.mark.long
@pytest.mark.parametrize("commit", [path.stem for path in ARCHIVES])
def test_is_resumed_to_the_same_bits(commit):
    """Needs the repository's history."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.old_runs", "compare", commit], cwd=ROOT, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["equal"], done.stdout + done.stderr
