"""The lock of a run directory, and run descriptions that are not trusted."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from datasets.storage.atomic import TEMPORARY
from learning.config.run_config import DataConfig, RunConfig
from learning.errors import CheckpointError, DirectoryInUseError, StorageError
from learning.runs.directory import RunDirectory, locked
from learning.runs.lock import LOCK_FILE, hold
from tests.support.other_process import ROOT, holder

INFO = {"class_names": ["a", "b"], "input_shape": [10, 10, 3]}


@pytest.mark.fault(36)
def test_the_lock_of_a_killed_process_is_gone_with_it(tmp_path):
    with holder(tmp_path) as (process, said):
        assert said == "held"
        refused = pytest.raises(
            DirectoryInUseError, match=rf"in use by process {process.pid} on \S+; wait for"
        )
        with refused as raised, hold(tmp_path):
            pass
        assert raised.value.exit_code == 7
        process.kill()
        process.wait()
        with hold(tmp_path):
            assert (tmp_path / LOCK_FILE).read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.fault(36)
def test_a_process_holds_a_directory_more_than_once_until_it_lets_go_of_the_first(tmp_path):
    path = tmp_path / "run"
    with locked(path, resumed=False):
        with hold(path):
            (path / "x").touch()
        with holder(path) as (process, said):
            assert process.wait() == 7
        assert f"{path} is in use by process {os.getpid()} on " in said
    with holder(path) as (_, said):
        assert said == "held"


def test_a_directory_that_was_there_stays_and_one_made_in_vain_goes(tmp_path):
    for path in (tmp_path / "mine", tmp_path / "new"):
        if path.name == "mine":
            path.mkdir()
        with pytest.raises(KeyError), hold(path):
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.fault(22)
def test_a_fresh_run_needs_an_empty_directory(tmp_path):
    (tmp_path / "own.txt").touch()
    refused = pytest.raises(DirectoryInUseError, match="is not empty; continue its run with --resume")
    with refused, locked(tmp_path, resumed=False):
        pass
    with locked(tmp_path, resumed=True):
        pass


@pytest.mark.fault(21)
def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run", "/proc/run"):
        with (
            pytest.raises(StorageError, match="cannot use .* as run directory: .*; choose another") as raised,
            hold(tmp_path / path),
        ):
            pass
        assert raised.value.exit_code == 6


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        json.dumps({**INFO, "started": float("nan")}),
        json.dumps({**INFO, "input_shape": [float("inf"), 1, 1]}),
        json.dumps({**INFO, "input_shape": [10**9, 10**9, 3]}),
        json.dumps({**INFO, "input_shape": [10, 10]}),
        json.dumps({**INFO, "input_shape": [10, -10, 3]}),
        json.dumps({**INFO, "input_shape": "../../x"}),
        json.dumps({**INFO, "class_names": None}),
        json.dumps({**INFO, "num_images": 7}),
        json.dumps({**INFO, "num_images": {"train": "many"}}),
        json.dumps({**INFO, "num_images": {"train": float("inf")}}),
        "1" * 10_000,
    ],
)
def test_a_hostile_description_is_an_error_in_one_line(tmp_path, text):
    run = RunDirectory.create(tmp_path, RunConfig(), INFO)
    assert run.class_names == ("a", "b")
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(
        CheckpointError, match="cannot read config.yaml and run.json in .*; restore them"
    ) as raised:
        RunDirectory(tmp_path)
    assert raised.value.exit_code == 4
    assert len(str(raised.value)) < 500


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {evaluator: acuracy}", "unknown train.evaluator 'acuracy'; did you mean .*'accuracy'"),
        ("data: {name: cifar}", "unknown data.name 'cifar'; did you mean 'cifar10'"),
        ("data_dir: 3", "data_dir is 3; it must be a path"),
        (
            "model: {precision: auto32}",
            "model.precision is 'auto32'; it must be one of auto, float32, bfloat16",
        ),
    ],
)
def test_an_edited_configuration_is_refused_by_the_option(tmp_path, text, message):
    RunDirectory.create(tmp_path, RunConfig(), INFO)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        RunDirectory(tmp_path)


@pytest.mark.fault(42)
def test_a_huge_description_is_refused_unread(tmp_path):
    RunDirectory.create(tmp_path, RunConfig(), INFO)
    for name in ("run.json", "config.yaml"):
        with (tmp_path / name).open("r+b") as file:
            file.truncate(2**40)  # a hole, which takes no room
        with pytest.raises(CheckpointError, match=f"{name} is larger than"):
            RunDirectory(tmp_path)
        RunDirectory.create(tmp_path / "other", RunConfig(), INFO)
        (tmp_path / "other" / name).rename(tmp_path / name)


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch GADGET']",
        "a: &a [1, 2]\n" + "".join(f"b{i}: *a\n" for i in range(1000)),
        "train: {batch_size: .nan}",
        "train: ../../../etc/passwd",
        "[" * 10_000,
    ],
)
def test_a_hostile_configuration_runs_nothing(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    RunDirectory.create(tmp_path / "run", RunConfig(), INFO)
    (tmp_path / "run" / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match="cannot read config.yaml"):
        RunDirectory(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.fault(36)
def test_a_forked_child_does_not_hold_what_its_parent_does(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom learning.errors import DirectoryInUseError\n"
        "from learning.runs.lock import hold\n"
        "path, parent = Path(sys.argv[1]), os.getpid()\n"
        "with hold(path):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        try:\n"
        "            with hold(path): os._exit(1)\n"
        "        except DirectoryInUseError as error:\n"
        "            os._exit(0 if f'in use by process {parent} on' in str(error) else 2)\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], cwd=ROOT)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(36)
def test_a_forked_child_that_leaves_releases_nothing_and_one_that_stays_keeps_nothing(tmp_path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom learning.runs.lock import hold\n"
        "pid = 1\n"
        "with hold(Path(sys.argv[1])):\n"
        "    for way in 'leaves', 'stays':\n"
        "        if pid and not (pid := os.fork()): break\n"
        "        if way == 'leaves': os.waitpid(pid, 0)\n"
        "    if pid: os.write(1, b'held\\n'); sys.stdin.read()\n"
        "    elif way == 'stays': os.write(1, b'%d\\n' % os.getpid()); signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        said = {process.stdout.readline().strip() for _ in range(2)}
        (child,) = (int(line) for line in said - {b"held"})
        try:
            with pytest.raises(DirectoryInUseError, match=f"process {process.pid} on"), hold(tmp_path):
                pass
            process.kill()
            process.wait()
            with hold(tmp_path):  # although the child lives
                pass
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.fault(36)
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch, number):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    message = f"cannot use .* as run directory: {os.strerror(number)}; choose another"
    with pytest.raises(StorageError, match=message), hold(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(32)
def test_what_a_killed_process_was_writing_is_removed_by_the_next_that_holds_the_directory(tmp_path):
    old, new, notes, other = "a" * 32, "b" * 32, "notes", "A" * 32
    for name, age in ((old, 7200), (new, 60), (notes, 7200), (other, 7200)):
        path = tmp_path / f"{TEMPORARY}{name}"
        path.touch()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    with hold(tmp_path):  # what a user called so is no business of ours
        found = {path.name.removeprefix(TEMPORARY) for path in tmp_path.glob(f"{TEMPORARY}*")}
        assert found == {new, notes, other}


def test_an_option_that_the_version_of_an_old_run_did_not_write_is_not_the_data_set_s(tmp_path):
    info = {"class_names": ["a", "b"], "input_shape": [8, 8, 3]}
    RunDirectory.create(tmp_path, RunConfig(data=DataConfig(name="cifar10")), info)
    text = (tmp_path / "config.yaml").read_text()
    assert "  padding: 0\n" in text
    (tmp_path / "config.yaml").write_text(text.replace("  padding: 0\n", ""))
    assert RunDirectory(tmp_path).config.data.padding == 0  # a new run on CIFAR-10 has 4
