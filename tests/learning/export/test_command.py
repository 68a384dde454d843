"""export.py as its users call it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from learning.export.command import run_export
from tests.support.scripts import call_main

ROOT = Path(__file__).resolve().parents[3]
REPEAT = "to export several formats, repeat --format: --format onnx --format tflite"


def test_export_prints_how_closely_each_export_agrees(digits_run, tmp_path, capsys):
    for name in ("tf2onnx", "onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(name)
    call_main(
        "export.py", digits_run, "--format", "onnx", "--format", "tflite", "--int8", "--output", tmp_path
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(tmp_path / "onnx")
    assert lines[1].endswith(" MB; checked with 270 images (test set):")
    assert lines[2].startswith("  images: 270 of 270 in the run's class, probabilities differ by up to ")
    assert lines[3] == str(tmp_path / "tflite-int8")
    assert lines[5].startswith("  accuracy 0.")
    report = json.loads((tmp_path / "tflite-int8" / "export.json").read_text(encoding="utf-8"))
    assert report["run"] == digits_run.name
    with pytest.raises(SystemExit) as left:  # they exist
        call_main(run_export, digits_run, "--format", "onnx", "--output", tmp_path)
    assert left.value.code == 7
    assert "onnx exists; choose another --output, or remove it first" in capsys.readouterr().err


@pytest.mark.fault(19, 20)
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "--format", "keras"], 2, "argument --format: invalid choice: 'keras'"),
        (["run", "--format", "onnx", "saved_model"], 2, f"unexpected saved_model; {REPEAT}"),
        (["--format", "onnx", "saved_model", "tflite", "run"], 2, f"unexpected tflite run; {REPEAT}"),
        (["run", "more"], 2, "unrecognized arguments: more"),
        (["run", "--ten-crops"], 2, "unknown option --ten-crops; did you mean --ten-crop?"),
        ([], 2, "the following arguments are required: RUN"),
        (["absent"], 4, "absent does not exist; give the folder that train.py made"),
    ],
)
def test_errors_are_one_line_before_tensorflow_is_imported(words, code, message):
    done = subprocess.run(
        [sys.executable, ROOT / "export.py", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr
