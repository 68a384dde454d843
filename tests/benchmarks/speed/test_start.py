"""benchmarks/speed/start.py: the time from the start of a process to its first update."""

import subprocess
import sys

import pytest

from benchmarks.peers import keras_digits
from benchmarks.speed import start


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """Replace the script that is started; returns the file that it can write words to."""

    def write(path, text):
        script = tmp_path / path
        script.parent.mkdir(exist_ok=True, parents=True)
        script.write_text("import os, signal, sys\n" + text)
        monkeypatch.setattr(start, "ROOT", tmp_path)
        monkeypatch.delenv("PYTHONPATH", raising=False)
        return tmp_path / "words"

    return write


def test_starting_train_py_takes_as_long_as_until_its_first_checkpoint(stub):
    words = stub(
        "train.py",
        "run = sys.argv[sys.argv.index('--run-dir') + 1]\n"
        "open('words', 'w').write(' '.join(sys.argv[-4:]))\n"
        "os.makedirs(run + '/checkpoints/step-1')\n"
        "signal.pause()\n",
    )
    assert start.project_start(threads=3)() == 1
    assert words.read_text() == "--train.threads 3 --train.save_every_steps 1"


def test_starting_keras_takes_as_long_as_until_it_says_so(stub):
    words = stub(
        "benchmarks/peers/keras_digits.py",
        "open('words', 'w').write(' '.join([*sys.argv[1:], os.environ['KERAS_BACKEND']]))\n"
        f"print('{start.MARK}', flush=True)\n"
        "signal.pause()\n",
    )
    assert start.keras_start(threads=3)() == 1
    assert words.read_text() == "3 tensorflow"


def test_a_start_of_keras_that_fails_says_why(stub):
    stub("benchmarks/peers/keras_digits.py", "sys.exit('first\\nNo module named keras')")
    with pytest.raises(
        RuntimeError, match="ended with code 1 before its first update: No module named keras"
    ):
        start.keras_start(threads=1)()


@pytest.mark.long
def test_the_peer_of_the_start_says_when_its_step_is_done(capsys):
    keras_digits.main(0)
    assert start.MARK in capsys.readouterr().out


def test_starts_are_reported_in_seconds():
    found = start.summary_of_starts({"project": [0.25, 0.5, 0.125], "keras": [0.125, 0.5, 0.25]}, {})
    assert found["seconds"]["project"] == {"median": 4, "min": 2, "max": 8}
    assert found["ratio"] == {"median": 1, "min": 0.5, "max": 2}
    assert start.summary_of_starts({"project": [0.25]}, {"keras": "no"})["ratio"] is None


def test_a_start_that_fails_in_silence_says_so(tmp_path):
    (tmp_path / "output").touch()
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="ended with code 3 before its first update$"):
        start.wait_until(lambda: False, process, tmp_path / "output")


def test_a_start_that_takes_too_long_says_so(monkeypatch, tmp_path):
    (tmp_path / "output").write_text("waiting\n")
    monkeypatch.setattr(start, "PATIENCE", 0.0)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(RuntimeError, match="it took 0 s before its first update: waiting"):
        start.wait_until(lambda: False, process, tmp_path / "output")
    process.communicate()
