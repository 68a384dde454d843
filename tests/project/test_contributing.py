"""The worked examples of CONTRIBUTING.md are applied to a copy of the project, and their tests are run."""

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
LEFT_OUT = (".*", "*.egg-info", "__pycache__", "build", "docs", "pretrained", "results", "runs")


@pytest.fixture
def copy(tmp_path):
    """A copy of the project without what the examples do not need."""
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(*LEFT_OUT))


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
    for kind, path, text in blocks:
        if kind == "diff":
            for hunk in text.split("@@\n"):
                apply(hunk, copy / path)
        else:
            assert not (copy / path).exists()
            (copy / path).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, capture_output=True, text=True, cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
