"""A second process for the tests of the lock; not a fork, because this process can have threads."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from learning.errors import DirectoryInUseError
from learning.runs.lock import hold

try:
    with hold(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except DirectoryInUseError as error:
    print(error)
    sys.exit(error.exit_code)
"""
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def holder(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a process that tries to hold `path` until the end of the block; yields it and its first line."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
