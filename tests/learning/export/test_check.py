"""learning/export/check.py: what agrees, and what is refused with which words."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from learning.errors import ExportError
from learning.export import answer
from learning.export.check import (
    MOST_LEVELS,
    TOLERANCE,
    ask,
    check_names,
    compare,
    compare_accuracy,
    compare_pixels,
)

NAMES, CLASSES = ("a.jpg", "b.jpg"), ("cat", "dog", "fox")
EXPECTED = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], np.float32)


def test_small_differences_agree():
    found = EXPECTED + np.array([[0, 5e-4, -5e-4], [0, 0, 0]], np.float32)
    agreement = compare(EXPECTED, {"probabilities": found}, NAMES, CLASSES)
    assert agreement == {
        "same_class": 2,
        "largest_difference": pytest.approx(5e-4, rel=1e-3),
        "tolerance": TOLERANCE,
    }


def test_a_tie_within_the_tolerance_may_go_either_way():
    expected = np.array([[0.4502, 0.4498, 0.1]])
    agreement = compare(expected, {"probabilities": expected[:, [1, 0, 2]]}, NAMES, CLASSES)
    assert agreement["same_class"] == 0


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            EXPECTED[:, [1, 0, 2]],
            "the export answers 'a.jpg' by 'dog' with 0.7000, the run by 'cat' with 0.7000; 2 of 2 images differ, "
            "probabilities by up to 0.5 where 0.001 is allowed; nothing was kept",
        ),
        (
            EXPECTED + np.array([[0, 0, 0], [0, 0, np.nan]]),
            "the export answers 'b.jpg' by 'fox' with nan, the run by 'dog' with 0.5000; 1 of 2 images",
        ),
        (
            EXPECTED[:, :2],
            "the export's probabilities have the shape (2, 2), the run's (2, 3); nothing was kept",
        ),
    ],
)
def test_other_probabilities_are_refused(found, message):
    with pytest.raises(ExportError) as error:
        compare(EXPECTED, {"probabilities": found}, NAMES, CLASSES)
    assert str(error.value).startswith(message)


def test_wrong_names_of_the_best_classes_are_refused():
    answers = {"probabilities": EXPECTED, "classes": np.array(["cat", "dog"])}
    compare(EXPECTED, answers, NAMES, CLASSES)
    answers["classes"] = np.array(["cat", "fox"])
    with pytest.raises(ExportError, match="does not name its most probable classes"):
        compare(EXPECTED, answers, NAMES, CLASSES)


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    ("found", "message"),
    [
        (["dog", "cat", "fox"], "class 0 of the export is 'dog', of the run 'cat'; nothing was kept"),
        (["cat", "dog"], "class 2 of the export is '', of the run 'fox'"),
    ],
)
def test_classes_in_another_order_are_refused(found, message):
    check_names({"class_names": np.array(CLASSES)}, CLASSES)
    with pytest.raises(ExportError, match=message):
        check_names({"class_names": np.array(found)}, CLASSES)


def test_pixels_may_differ_by_a_few_levels():
    pixels = np.full((2, 3, 3, 1), 100, np.uint8)
    assert compare_pixels(pixels, pixels + np.uint8(MOST_LEVELS), NAMES) == MOST_LEVELS
    pixels[1, 2, 0] = 40
    with pytest.raises(
        ExportError, match=r"decodes 'b\.jpg' to pixels that differ by up to 60 levels of 255"
    ):
        compare_pixels(np.full((2, 3, 3, 1), 100, np.uint8), pixels, NAMES)


def test_integers_may_lose_a_little_accuracy():
    truth = np.arange(40) % 2
    expected = np.eye(2)[truth]
    found = expected.copy()
    found[:2] = found[:2, ::-1]  # 2 of 40
    figures = compare_accuracy(expected, found, truth)
    assert (figures["accuracy"], figures["accuracy_of_run"]) == (0.95, 1.0)
    assert figures["loss_of_accuracy"] == pytest.approx(0.05)
    found[2] = found[2, ::-1]
    with pytest.raises(
        ExportError, match="is right about 37 of 40 images, the run 40; at most 5% may be lost"
    ):
        compare_accuracy(expected, found, truth)
    assert compare_accuracy(expected, found, None)["accuracy"] == 37 / 40
    found[:7] = 1 - expected[:7]
    with pytest.raises(
        ExportError, match="gives the run's class to 33 of 40 images, the run 40; at most 15%"
    ):
        compare_accuracy(expected, found, None)


def test_an_export_that_cannot_be_loaded_is_refused_with_its_reason(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="the onnx export cannot be used: .*onnx"):
        ask("onnx", tmp_path, np.zeros((1, 2, 2, 3), np.uint8), [])


def test_the_asking_process_cannot_import_the_project(tmp_path):
    program = shutil.copy(answer.__file__, tmp_path)
    code = (
        "import runpy, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "sys.argv = ['answer.py', 'onnx', 'x', 'absent.npz', 'y']\n"
        f"try: runpy.run_path({program!r}, run_name='__main__')\n"
        "except FileNotFoundError: pass\n"
        "import learning\n"
    )
    root = answer.__file__.removesuffix("/learning/export/answer.py")
    command = [sys.executable, "-I", "-c", code, root]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "import of learning halted" in done.stderr
