"""The programs in docs/export.md run as they stand, without this project, and answer as the run does."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learning.export.exporting import export_run
from learning.inference.prediction import predict_run
from learning.runs.directory import RunDirectory
from learning.terminal.image_files import image_files

PAGE = Path(__file__).resolve().parents[3] / "docs" / "export.md"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with the programs under the names of their chapters, and the function that two of them import."""
    folder = tmp_path_factory.mktemp("programs")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names = ["saved_model.py", "resized.py", "tflite.py", "onnx_program.py", "from_python.py"]
    for name, block in zip(names, blocks, strict=True):
        (folder / name).write_text(block, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures that are neither square nor of the run's size, one of them turned by its EXIF entry."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    rows, columns = np.mgrid[:30, :44]
    paths = []
    for number in range(3):
        waves = 120 + 60 * np.sin(rows / (3 + number)) + 60 * np.cos(columns / 5 + number)
        pixels = np.clip(waves[..., None] + rng.normal(0, 5, (30, 44, 3)), 0, 255).astype(np.uint8)
        paths.append(str(folder / f"{number}.png"))
        orientation = Image.Exif()
        orientation[0x0112] = 6 if number == 1 else 1
        Image.fromarray(pixels).save(paths[-1], exif=orientation)
    paths.append(str(folder / "large.jpg"))
    Image.fromarray(pixels).resize((330, 210)).save(paths[-1])
    return paths


def answers(program, export, pictures):
    command = [sys.executable, program.name, str(export), *pictures]
    done = subprocess.run(command, capture_output=True, text=True, cwd=program.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    return [line.split("\t") for line in done.stdout.splitlines()]


def expected(run, pictures):
    rows = predict_run(run, image_files(pictures))
    return [[row.path, row.classes[0][0], f"{row.classes[0][1]:.4f}"] for row in rows]


def assert_same(found, wanted):
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    probabilities = [[float(row[2]) for row in rows] for rows in (found, wanted)]
    np.testing.assert_allclose(*probabilities, atol=0.002)


def test_the_programs_for_tflite_and_onnx(digits_run, light_exports, programs, pictures):
    wanted = expected(RunDirectory(digits_run), pictures)
    tflite, onnx = (export.path for export in light_exports)
    assert_same(answers(programs / "tflite.py", tflite / "model.tflite", pictures), wanted)
    assert_same(answers(programs / "onnx_program.py", onnx / "model.onnx", pictures), wanted)


@pytest.mark.parametrize("resize", ["squash", "crop", "letterbox"])
def test_the_function_resizes_as_training_did(programs, pictures, resize, monkeypatch):
    from datasets.images.decode import read_resized

    monkeypatch.syspath_prepend(str(programs))
    from resized import resized

    for picture in pictures:
        for channels in (1, 3):
            wanted = read_resized(picture, (12, 20), channels=channels, fit=resize)
            np.testing.assert_array_equal(resized(picture, (12, 20, channels), resize)[0], wanted)


@pytest.mark.long
def test_the_program_for_saved_models(digits_run, programs, pictures, tmp_path):
    run = RunDirectory(digits_run)
    export_run(run, ["saved_model"], tmp_path)
    found = answers(programs / "saved_model.py", tmp_path / "saved_model", pictures)
    assert_same(found, expected(run, pictures))
