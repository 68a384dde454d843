"""benchmarks/harness/peak_memory.py: the private memory of processes."""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

from benchmarks.harness import peak_memory
from benchmarks.harness.peak_memory import PeakMemory, call_fresh, family_bytes
from datasets.errors import DataError


def test_a_peak_in_between_is_seen():
    looked = threading.Event()

    def read():
        found = family_bytes()
        looked.set()
        return found

    gc.collect()  # what other tests left must not go while the memory is watched
    with PeakMemory(read) as memory:
        before = family_bytes()
        kept = np.ones(100_000_000, np.uint8)
        for _ in range(2):  # the reading that is going on may have begun before
            looked.clear()
            assert looked.wait(300)
        del kept
    assert memory.peak > before + 95e6


def test_the_memory_of_children_counts():
    before = family_bytes()
    command = "import sys; kept = bytearray(b'x' * 50_000_000); print('ready', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    during = family_bytes()
    process.communicate()
    assert 50e6 < during - before < 150e6
    assert family_bytes(process.pid) == 0


def test_a_fresh_process_does_the_work():
    assert call_fresh(dict, {"a": 1}, quick=False) == {"a": 1}
    assert call_fresh(dict, {"a": 1}, quick=True) == {"a": 1}


def test_memory_that_cannot_be_measured_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "PROC", tmp_path)
    with pytest.raises(DataError, match="run this on Linux"):
        call_fresh(dict, quick=True)
