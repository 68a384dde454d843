"""learning/terminal/output.py: output that cannot be encoded or written loses no result."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.fault(46)

ROOT = Path(__file__).resolve().parents[3]
FULL = Path("/dev/full")
SCRIPT = """
import os, sys
from datasets.errors import DataError
from learning.terminal.output import outlive_reader
from learning.terminal.command import run_script

def main():
    if "outlive" in sys.argv:
        outlive_reader()
    if "wait" in sys.argv:
        print("begun", flush=True)
        sys.stdin.read()
    for _ in range(int(os.environ.get("LINES", "1"))):
        print("caf\\u00e9 \\udce9", "." * 1000, flush=True)
    if "wrong" in sys.argv:
        sys.stdout.write("waits in the buffer")
        raise DataError("no images")
    with open(sys.argv[1], "wb") as file:
        file.write(b"result")
        if "native" in sys.argv:
            os.write(1, b"of native code")

run_script(main)
"""


def command(tmp_path, *arguments, redirect=""):
    """Return the command of the script in a shell that redirects its output."""
    return [
        "bash", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-c", SCRIPT, tmp_path / "file", *arguments
    ]  # fmt: skip


def run(tmp_path, *arguments, redirect="", env=None, **streams):
    """The finished script."""
    return subprocess.run(
        command(tmp_path, *arguments, redirect=redirect),
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stderr=subprocess.PIPE,
        timeout=300,
        **streams,
    )


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "caf\\xe9 \\udce9"), ("utf-8:strict", "café \\udce9")]
)
def test_letters_that_the_stream_lacks_are_escaped(tmp_path, encoding, shown):
    done = run(tmp_path, env={"PYTHONIOENCODING": encoding}, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("utf-8").startswith(shown)


@pytest.mark.parametrize("kind", ["a full disk", "a reader that left"])
def test_an_error_takes_precedence_over_lost_output(tmp_path, kind):
    if kind == "a full disk":
        done = run(tmp_path, "wrong", redirect="> /dev/full", env={"LINES": "0"})
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = run(tmp_path, "wrong", stdout=writer, env={"LINES": "0"})
        os.close(writer)
    assert (done.returncode, done.stderr) == (3, b"-c: no images\n")


@pytest.mark.skipif(not FULL.exists(), reason="a full disk is had as Linux has it")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "standard output cannot be written: No space left on device; send it elsewhere"),
        (("outlive",), "not all of its output could be written (standard output: No space left on device)"),
    ],
    ids=["what is printed counts", "the file counts"],
)
def test_a_full_disk_under_the_output_sets_the_exit_code(tmp_path, arguments, message):
    done = run(tmp_path, *arguments, redirect="> /dev/full")
    assert done.returncode == 6
    assert message in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "file").exists() == ("outlive" in arguments)


@pytest.mark.parametrize(
    ("arguments", "code"), [((), 141), (("outlive",), 0)], ids=["what is printed counts", "the file counts"]
)
def test_a_reader_that_leaves(tmp_path, arguments, code):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(tmp_path, *arguments, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, b"")
    assert (tmp_path / "file").exists() == (code == 0)


def test_a_closed_terminal_costs_nothing(tmp_path):
    controller, terminal = pty.openpty()
    reader, writer = os.pipe()
    with subprocess.Popen(
        command(tmp_path, "outlive", "wait"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=reader,
        stdout=terminal,
    ) as process:
        os.close(terminal)
        os.read(controller, 1)  # it has begun, and knows that there is a terminal
        os.close(controller)
        os.close(reader)
        os.close(writer)
        assert process.wait(timeout=300) == 0
    assert (tmp_path / "file").read_bytes() == b"result"


@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&- <&-"])
def test_with_closed_streams_files_do_not_take_their_descriptors(tmp_path, redirect):
    assert run(tmp_path, "native", redirect=redirect).returncode == 0
    assert (tmp_path / "file").read_bytes() == b"result"


def test_a_pipe_that_would_not_wait_is_waited_for(tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LINES": "200"}  # three times what a pipe holds
    with subprocess.Popen(command(tmp_path), env=environment, stdout=writer) as process:
        os.close(writer)
        with open(reader, "rb") as stream:
            assert len(stream.read().splitlines()) == 200
        assert process.wait(timeout=300) == 0
