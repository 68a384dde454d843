"""The worked examples of CONTRIBUTING.md are applied to a copy of the project, and their tests are run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^```(python|yaml|diff)\n(?:# |--- )(\S+\.(?:py|yaml))\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
# The tests of every augmentation, option and metric, which the examples must pass too.
CONTRACTS = ["tests/datasets/augment", "tests/datasets/options", "tests/learning/test_evaluators.py"]
NEEDED = ("benchmarks", "configs", "datasets", "learning", "models", "tests")


@pytest.fixture
def copy(tmp_path):
    """Copy the files that the examples change and need."""
    for name in NEEDED:
        ignored = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "copy")
    return tmp_path / "copy"


def apply(hunk: str, path: Path) -> None:
    """Change a file: the lines of the hunk without a + must be in the file, once."""
    lines = hunk.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if not line.startswith("+"))
    new = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"CONTRIBUTING.md shows other lines of {path.name} than it has:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_examples_work(copy):
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    tests = [path for _, path, _ in blocks if Path(path).name.startswith("test_")]
    assert len(tests) == 5
    tests += CONTRACTS
    for kind, path, text in blocks:
        if kind == "diff":
            for hunk in text.split("@@\n"):
                apply(hunk, copy / path)
        else:
            assert not (copy / path).exists()
            (copy / path).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}  # before an installation of the project
    done = subprocess.run(command, capture_output=True, text=True, cwd=copy, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
