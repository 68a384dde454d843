"""learning/export/weights.py: the weights of a run in a file of another library."""

import json
import sys

import numpy as np
import pytest

from learning.export.weights import main
from learning.runs.directory import RunDirectory
from learning.terminal.command import run_script
from models.weights.errors import WeightsError
from models.weights.files import read_weights
from tests.support.scripts import call_main


def test_the_file_has_the_selected_weights_and_the_command_says_what_they_are_of(
    digits_run, tmp_path, capsys
):
    file = tmp_path / "net.npz"
    call_main(main, digits_run, "--to", "npz", file)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{file}: {file.stat().st_size:,} bytes"
    said = dict(line.split(": ", maxsplit=1) for line in lines[1:])
    run = RunDirectory(digits_run)
    assert json.loads(said["classes"]) == list(run.class_names)
    assert (json.loads(said["model"]), json.loads(said["input_shape"])) == ("smallnet", [10, 10, 1])
    written, trained = read_weights(file).tensors, read_weights(digits_run).tensors
    assert "fc/weights" in written
    for name, values in written.items():
        np.testing.assert_array_equal(values, trained[name])


def test_a_wrong_name_is_found_before_tensorflow_starts(digits_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "models.weights.export", None)  # whose import would fail
    with pytest.raises(WeightsError, match="a file for keras must end in .h5"):
        call_main(main, digits_run, "--to", "keras", "x.pth")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["/absent", "--to", "npz", "x.npz"], 4, "/absent does not exist"),
        (["/absent", "--to", "onnx", "x"], 2, "invalid choice: 'onnx'"),
        (["{run}", "--to", "keras", "x.h5"], 4, "keras has no network like SmallNet"),
    ],
)
def test_an_error_is_one_line(digits_run, words, code, message, capsys):
    with pytest.raises(SystemExit) as left:
        call_main(lambda: run_script(main), *(word.format(run=digits_run) for word in words))
    assert left.value.code == code
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
