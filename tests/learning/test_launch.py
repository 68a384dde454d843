"""The launcher: what it starts, where, and what it makes of the end of its workers."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from learning import launch
from learning.distributed.cluster import RESTARTS, TIMEOUT
from learning.errors import DirectoryInUseError, UsageError
from learning.runs.directory import HISTORY_FILE
from models.runtime.gpu import VISIBLE
from tests.support.scripts import ROOT, call_main

# Stands in for train.py: says what it was told, and ends as the test wants.
SCRIPT = """
import json, os, signal, sys
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
variables = [os.environ[name] for name in ("TF_CONFIG", {timeout!r}, {restarts!r})]
print(json.dumps([sys.argv[1:], *variables, sorted(os.sched_getaffinity(0))]))
{ending}
"""


@pytest.fixture
def launched(tmp_path, capfd, monkeypatch):
    """Launch a script that ends in a given way; returns the exit code and what worker 0 said, by attempt."""

    def call(*arguments, ending="", workers=2, run="--run-dir"):
        script = tmp_path / "train.py"
        script.write_text(SCRIPT.format(timeout=TIMEOUT, restarts=RESTARTS, ending=ending))
        options = ["--workers", workers, *arguments, script, "--config", "digits", run, tmp_path / "run"]
        with pytest.raises(SystemExit) as ended:
            call_main(launch.main, *options)
        return ended.value.code, [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return call


def test_workers_know_each_other_and_divide_the_cores(launched, tmp_path):
    code, [(arguments, config, timeout, restarts, cores)] = launched("--timeout", "7")
    assert code == 0
    assert arguments == ["--config", "digits", "--run-dir", str(tmp_path / "run")]
    assert (timeout, restarts) == ("7", "0")
    config = json.loads(config)
    assert config["task"] == {"type": "worker", "index": 0}
    assert len(set(config["cluster"]["worker"])) == 2
    own = sorted(os.sched_getaffinity(0))
    assert cores == own[: max(1, len(own) // 2)]


def test_the_first_failure_is_the_exit_code(launched, tmp_path):
    ending = f"""
path = {str(tmp_path / "process")!r}
if index == 1:
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)
    sys.exit(3)
while not os.path.exists(path):
    pass
with open(path) as file:
    other = file.read()
while os.path.exists("/proc/" + other):  # until the launcher has seen its end
    pass
sys.exit(8)
"""
    assert launched(ending=ending)[0] == 3


@pytest.mark.fault(41)
def test_a_killed_worker_is_said_and_restarted_from_the_checkpoint(launched, tmp_path, caplog):
    ending = f"""
if "--resume" not in sys.argv:
    if index == 1:
        os.makedirs({str(tmp_path / "run")!r})
        open({str(tmp_path / "run" / HISTORY_FILE)!r}, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(8)
"""
    code, said = launched("--restarts", "3", ending=ending)
    assert code == 0
    assert [arguments for arguments, *_ in said][-1] == ["--resume", str(tmp_path / "run")]
    assert "starting all workers again (1 of 3)" in caplog.text
    shutil.rmtree(tmp_path / "run")
    code, _ = launched(ending="os.kill(os.getpid(), signal.SIGKILL)", workers=1)
    assert code == 8
    assert "worker 0 was ended by SIGKILL" in caplog.text


@pytest.mark.fault(22)
def test_a_run_is_resumed_only_if_that_is_asked_for(launched, tmp_path, capfd):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / HISTORY_FILE).touch()
    with pytest.raises(DirectoryInUseError, match="run is not empty; continue its run with --resume"):
        launched("--restarts", "1")
    assert capfd.readouterr().out == ""  # no worker has started


def test_other_errors_are_not_tried_again(launched):
    code, said = launched("--restarts", "2", ending="sys.exit(5)")
    assert (code, len(said)) == (5, 1)


def test_workers_know_whether_they_will_be_restarted(launched):
    _, said = launched("--restarts", "2", ending="sys.exit(8)")
    assert [restarts for *_, restarts, _ in said] == ["1", "1", "0"]


def test_a_signal_is_passed_on(tmp_path):
    (tmp_path / "train.py").write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(143))\nprint('up', flush=True)\nsignal.pause()\n"
    )
    command = [sys.executable, "-m", "learning.launch", "--workers", "2", str(tmp_path / "train.py")]
    command += ["--config", "digits", "--run-dir", str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "name train.py"),
        (["--worker", "2", "train.py"], "arguments are required: --workers"),
        (
            ["--workers", "2", "--restart", "1", "train.py"],
            "unknown option --restart; did you mean --restarts",
        ),
        (["--workers", "0", "train.py"], "must be at least 1"),
        (["--workers", "2", "other.py"], "name train.py"),
        (["--workers", "2", "train.py", "--train.seeed", "1"], "did you mean --train.seed"),
    ],
)
def test_mistakes_are_said_once(arguments, message):
    with pytest.raises(UsageError, match=message):
        call_main(launch.main, *arguments)


def test_each_worker_gets_a_gpu_if_there_are_enough(monkeypatch):
    monkeypatch.setenv(VISIBLE, "4,7")
    assert [gpu for _, gpu in launch.places(2)] == ["4", "7"]
    assert [gpu for _, gpu in launch.places(3)] == [None] * 3


def test_workers_share_cores_if_there_are_fewer(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    monkeypatch.setenv(VISIBLE, "")
    assert [cores for cores, _ in launch.places(2)] == [{0}, {1, 2}]
    assert [cores for cores, _ in launch.places(4)] == [{0}, {0}, {1}, {2}]
