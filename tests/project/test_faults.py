"""Every fault has a test, and the page and the list of tests are up to date."""

import json

import pytest

from tests import faults


def test_every_row_has_a_test_or_is_known_to_lack_one():
    assert list(faults.rows()) == list(range(1, 54))
    assert sorted(faults.rows().keys() - faults.proofs().keys() - faults.TODO.keys()) == []


def test_every_mark_is_of_a_row():
    assert sorted(faults.proofs().keys() - faults.rows().keys()) == []


def test_the_page_and_the_list_of_tests_are_up_to_date():
    assert faults.PAGE.read_text(encoding="utf-8") == faults.page(), "run python -m tests.faults"
    assert faults.PROOFS.read_text(encoding="utf-8") == faults.proofs_text(), "run python -m tests.faults"


def test_the_long_runs_are_described_from_their_files(tmp_path):
    assert faults.long_runs(tmp_path)[1::2] == ["  - not run yet"] * 4
    phase = {"kills": 12, "runs": 2, "different": 1, "seconds": 120.0}
    disk = {"way": "tmpfs", "cycles": 8, "damaged": 0, "different": 0, "seconds": 9.0}
    (tmp_path / "soak.json").write_text(json.dumps({"kills": phase, "full_disk": disk, "equal": False}))
    text = "\n".join(faults.long_runs(tmp_path))
    assert "12 kills in 2 runs; 1 runs differed from the uninterrupted run in any bit (2 minutes)" in text
    assert "a full disk (tmpfs), 8 times: 0 damaged checkpoints" in text
    assert "busy machine" not in text
    step = {"missing": ["a"], "too_many": []}
    tree = {"images": 9, "bad": 3, "odd": 2, "kinds": 3, "left_out": ["pipe"]}
    steps = dict.fromkeys(("check", "train", "test", "predict"), step)
    (tmp_path / "bad-tree.json").write_text(json.dumps(tree | steps))
    text = "\n".join(faults.long_runs(tmp_path))
    assert "kinds that could not be created on this machine: pipe" in text
    assert text.count("reported 2 of 3 unreadable files, and 0 readable ones") == 4
    training = {
        "net": "without batch norm",
        "updates": 52,
        "losses": 1e-7,
        "variables": 2e-7,
        "among_workers": 0.0,
    }
    trainings = [training | {"workers": 1}, training | {"workers": 2, "variables": 4e-7}]
    (tmp_path / "worker-equality.json").write_text(json.dumps(trainings))
    text = "\n".join(faults.long_runs(tmp_path))
    assert "1, 2 workers compared with one process, a net without batch norm, after 52 updates" in text
    assert "losses differ by at most 1e-07, weights by 4e-07; among workers, weights differ by 0" in text
    kills = {"kills": 4, "equal": True, "ended": [[0, 0, 0]] * 2, "wrong": []}
    played = {"hangs": {"codes": [8, -9]}, "network stops": {"left out": "no root"}, "kills": kills}
    (tmp_path / "worker-faults.json").write_text(json.dumps(played))
    text = "\n".join(faults.long_runs(tmp_path))
    assert "hangs (8, -9), network stops (left out)" in text
    assert (
        "4 kills of one of 3 workers at random moments: in 0 cases the others ended with another code than 8"
        in text
    )


def test_marks_are_found_in_functions_methods_and_among_other_marks(tmp_path):
    (tmp_path / "test_x.py").write_text(
        "import absent\n"
        "@pytest.mark.parametrize('a', [1])\n@pytest.mark.fault(3, 4)\ndef test_a(a): pass\n"
        "class TestX:\n    @pytest.mark.fault(4)\n    def test_b(self): pass\n"
        "@pytest.mark.long\ndef test_c(): pass\n"
    )
    assert faults.proofs(tmp_path) == {
        3: ["test_x.py::test_a"],
        4: ["test_x.py::test_a", "test_x.py::test_b"],
    }


@pytest.mark.parametrize("number", faults.TODO)
def test_what_is_still_missing(number):
    """Skipped, so that it is seen in every report."""
    pytest.skip(f"row {number}: {faults.TODO[number]}")
