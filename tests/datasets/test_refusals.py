"""Refusing bombs takes little memory, measured in a separate process."""

import json
import subprocess
import sys

import pytest

from tests.support.refusals import PROC

MOST = 100_000_000  # bytes


@pytest.mark.fault(7, 16, 17, 18, 42)
@pytest.mark.skipif(not (PROC / "clear_refs").exists(), reason="the peak of the memory is asked of Linux")
def test_refusing_a_bomb_takes_less_than_100_mb(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.refusals", tmp_path],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout)
    assert len(results) > 50
    assert [name for name, result in results.items() if not result["said"]] == []
    assert {name: result["peak"] for name, result in results.items() if result["peak"] >= MOST} == {}


MEASURED = """
from datasets.errors import DataError
from tests.support.refusals import measure

def refuse():
    taken = b"x" * 150_000_000
    raise DataError("refused")

result, read = measure({"large": refuse, "read": lambda: None}).values()
assert 140e6 < result["peak"] < 200e6, result
assert (result["said"], read["said"]) == ("refused", "")
"""


@pytest.mark.skipif(not (PROC / "clear_refs").exists(), reason="the peak of the memory is asked of Linux")
def test_the_measurement_sees_memory_used_for_a_moment():
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
