"""Benchmarks run with --quick: all contestants at toy size."""

import importlib.util
import json

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None
PEERS = ["torch", "keras"] if HAS_TORCH else ["keras"]


@pytest.fixture
def quick(tmp_path, one_torch_thread):
    """Run a benchmark with --quick and return the figures that it wrote."""

    def call(main, *words):
        path = tmp_path / "figures.json"
        main([*words, "--quick", "--output", str(path)])
        return json.loads(path.read_text())

    return call


def left_out(found):
    """Return the contestants that failed, except torch where it is not installed."""
    return {name for name in found["left_out"] if HAS_TORCH or "torch" not in name}
