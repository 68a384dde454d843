"""models/runtime/gpu.py: what is asked of nvidia-smi, and what CUDA_VISIBLE_DEVICES leaves of it."""

import pytest

from models.runtime.gpu import VISIBLE, gpu_name, visible_gpus

# Stands in for nvidia-smi on a machine with two GPUs.
SCRIPT = """#!/bin/sh
case "$*" in
*--id=1*) echo "GPU of number 1" ;;
*--id=*) exit 6 ;;
*=index*) echo 0; echo 1 ;;
esac
"""


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(SCRIPT)
    (tmp_path / "nvidia-smi").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv(VISIBLE, raising=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("-1", []),
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("GPU-8932f937", ["GPU-8932f937"]),
    ],
)
def test_the_environment_decides(two_gpus, monkeypatch, value, expected):
    monkeypatch.setenv(VISIBLE, value)
    assert visible_gpus() == expected


def test_without_the_variable_all_are_visible(two_gpus):
    assert visible_gpus() == ["0", "1"]


def test_the_name_is_that_of_the_first_visible_one(two_gpus, monkeypatch):
    monkeypatch.setenv(VISIBLE, "1,0")
    assert gpu_name() == "GPU of number 1"
    monkeypatch.setenv(VISIBLE, "-1")
    assert gpu_name() is None


def test_without_nvidia_smi_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VISIBLE, raising=False)
    assert (visible_gpus(), gpu_name()) == ([], None)
