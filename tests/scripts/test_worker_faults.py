"""Workers end as they should, whatever happens to one of them."""

import json

import pytest

from tests.support.scripts import ROOT

LOST = "has ended or cannot be reached; the last checkpoint is whole: start all workers again"
EXPECTED = {
    "hangs": ([8, -9], "one hangs or is much slower (worker 1 (127.0.0.1:"),
    "SIGKILL": ([8, -9], LOST),
    "port in use": ([8, 8], "all still listen"),
    "slow": ([0, 0], ""),
    "slow network": ([0, 0], ""),
    "network stops": ([8, 8], LOST),
    "absent": ([8], "did not start within 4 s; start all 2 workers"),
    "no chief": ([8], "did not start within 4 s; start all 2 workers"),
    "other options": ([8, 8], "has options that differ from those of worker 0: train.seed; start all"),
    "out of memory": ([8, 6], LOST),
    "SIGTERM": ([143, 143], "stopped by SIGTERM after 3 updates, all saved; continue with train.py --resume"),
}


def played(call_script, folder, *arguments):
    done = call_script("tests/worker_faults.py", folder, *arguments, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def assert_expected(found):
    for name in found.keys() & EXPECTED.keys():
        codes, line = EXPECTED[name]
        if "left out" in found[name]:  # for want of root, as a rule
            continue
        assert found[name]["codes"] == codes, name
        assert line in found[name]["lines"][0], name


@pytest.mark.fault(41)
@pytest.mark.usefixtures("closed_network")
def test_a_worker_that_hangs_or_is_killed_ends_all(call_script, tmp_path):
    found = played(call_script, tmp_path, "--kills", "0", "--only", "hangs", "SIGKILL", "SIGTERM")
    assert found.keys() == {"hangs", "SIGKILL", "SIGTERM"}
    assert_expected(found)
    assert "SIGTERM" not in found["SIGTERM"]["lines"][1]  # one worker says it


@pytest.mark.long
@pytest.mark.fault(41)
@pytest.mark.usefixtures("closed_network")
def test_all_faults_and_many_kills(call_script, tmp_path):
    found = played(call_script, tmp_path, "--kills", "8", "--workers", "3")
    assert_expected(found)
    assert found.keys() == {*EXPECTED, "kills"}
    assert found["kills"] == {"kills": 8, "equal": True, "ended": [[0, 0, 0], [0, 0, 0]], "wrong": []}
