"""After kill -9 at random moments, the resumed run equals an uninterrupted one to the bit."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.fault(27, 32)
def test_twelve_kills_change_nothing(tmp_path):
    # a process of more threads than one cannot be forked safely, which newer Pythons warn of
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill_and_resume", str(tmp_path), "--kills", "12"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] == 12
    assert result["equal"], result
    assert len(set(result["peace"].values())) == 3
