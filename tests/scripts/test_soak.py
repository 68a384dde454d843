"""A short version of tests/soak.py."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.fault(27, 33)
@pytest.mark.long
def test_kills_load_and_a_full_disk_change_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", tmp_path, "--kills", "5", "--cycles", "3", "--minutes", "0.1"],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1"},
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    figures = json.loads((tmp_path / "soak.json").read_text())
    assert figures["equal"]
    assert figures["kills"]["kills"] == 5
    assert figures["load"]["kills"] > 0
    assert figures["full_disk"]["cycles"] > 0
