"""learning/reports/run_page.py: what the page of a run shows, and that it is legible in a browser."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import CheckpointError
from learning.reports.run_page import write_run_page
from learning.runs.directory import RunDirectory
from tests.support import pages
from tests.support.pages import cells, history, png, read_page, results

MACHINE = {"processor": "Some CPU", "gpu": None, "kernels": "oneDNN", "threads": 2, "tensorflow": "2.21.0"}
CONFIG = RunConfig(recipe="pets", model=ModelConfig(name="smallnet"))
INFO = {
    "num_images": {"train": 60, "test": 20},
    "class_counts": {"train": [20, 30, 10], "test": [10, 10, 0]},
    "bad_files": [["cat/<1>.jpg", "no image"]],
}
NAMES = ("cat", "dog", "<bird>")
MATRIX = [[9, 1, 0], [2, 8, 0], [0, 0, 0]]
PICTURES = ("augmented-forms.png", "augmented.png")


def make_run(path, *, num_epochs=3, tested=True, pictures=PICTURES, info=INFO):
    rows = history(num_epochs, learning_rate=0.0012, train_loss=lambda epoch: 2.5 / epoch, train_score=0.5)
    scores = [
        {"crops": 1, "accuracy": 0.8, "macro_f1": 0.71234, "seconds": 0.5},
        {"crops": 10, "accuracy": 0.85, "macro_f1": 0.8, "seconds": 2.0},
    ]
    found = results(MATRIX, NAMES, scores=scores) if tested else None
    pages.make_run(path, names=NAMES, config=CONFIG, info=info, rows=rows, tested=found)
    run = RunDirectory(path)
    run.update(run.config, [{"from_step": 0, **MACHINE}, {"from_step": 20, **MACHINE, "threads": 4}])
    (path / "timing.csv").write_text("epoch,seconds,images_per_second\n1,3000.2,1.0\n2,723.0,4.1\n", "utf-8")
    for name in pictures:
        png(path / name)
    return path


def test_a_finished_run(tmp_path):
    path = write_run_page(make_run(tmp_path / "a run"))
    assert path == tmp_path / "a run" / "index.html"
    page, rows = read_page(path), cells(path)
    text = " ".join(page.text)
    for heading in ("In short", "Scores on 20 test images", "Classes", "Confusion matrix", "Learning"):
        assert page.text.count(heading) == 2  # in the list of contents, and above its section
    assert "Accuracy 0.8500 (95% interval 0.6396 to 0.9476) on 20 test images: 17 right" in text
    assert ["crops", "accuracy", "macro_f1", "seconds"] in rows
    assert ["10", "0.8500", "0.8000", "2.0000"] in rows
    # training and test images, tested ones, recall, precision 9 / 11, F1 18 / 21
    assert ["class", "training", "test", "tested", "recall", "precision", "F1"] in rows
    assert ["cat", "20", "10", "10", "0.9000", "0.8182", "0.8571"] in rows
    assert ["<bird>", "10", "0", "0", *["\N{EN DASH}"] * 3] in rows
    assert ["dog", "2\n20%", "8\n80%", "0"] in rows
    assert ["tested", "2", "0.0012", "1.2500", "0.5000", "0.6000", "0.8000"] in rows
    assert ["last", "3"] in [row[:2] for row in rows]
    assert ["input", "64 x 64 x 3"] in rows
    assert ["images", "train 60, test 20"] in rows
    assert ["weights", "random initial weights"] in rows
    assert ["training time", "1:02:03"] in rows
    part = "Some CPU, oneDNN kernels, {} threads, TensorFlow 2.21.0, after update {}"
    assert ["computed by", f"{part.format(2, 0)}; then {part.format(4, 20)}"] in rows
    assert ["cat/<1>.jpg", "no image"] in rows
    assert any(text.startswith("recipe: pets\n") for text in page.text)
    assert page.tags.count("img") == len(PICTURES)
    assert page.tags.count("svg") == 3


def test_a_run_without_test_results_or_pictures(tmp_path):
    path = write_run_page(make_run(tmp_path / "run", tested=False, pictures=()))
    page = read_page(path)
    assert "img" not in page.tags
    assert ["last", "3"] in [row[:2] for row in cells(path)]
    assert not {"Classes", "Confusion matrix", "Training images"} & set(page.text)
    assert "Training is at epoch 3 of 320" in " ".join(page.text)


def test_a_run_that_has_only_begun(tmp_path):
    text = read_page(write_run_page(make_run(tmp_path / "run", num_epochs=0, tested=False))).text
    assert "Training has not finished an epoch yet." in text
    assert "Learning" not in text and "Configuration" in text


def test_the_last_epoch_was_tested(tmp_path):
    path = write_run_page(make_run(tmp_path / "run", num_epochs=2))
    assert [row[0] for row in cells(path) if row[1:3] == ["2", "0.0012"]] == ["last, tested"]


def test_a_history_of_an_earlier_version(tmp_path):
    path = make_run(tmp_path / "run", info={"num_images": {"train": 60}})
    lines = (path / "history.csv").read_text().splitlines()
    (path / "history.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    rows = cells(write_run_page(path))
    assert ["tested", "2", "0.0012", "1.2500", "0.5000", "0.8000"] in rows
    assert ["cat", "10", "0.9000", "0.8182", "0.8571"] in rows


def test_where_the_weights_came_from(tmp_path):
    init = {"source": "efficientnet-lite0", "form": "PyTorch", "loaded": 98, "frozen": ["stem/weights"] * 7}
    path = make_run(tmp_path / "run", info=INFO | {"init": {**init, "new": ["fc/weights", "fc/biases"]}})
    said = "loaded from efficientnet-lite0 (PyTorch): 98 variables; 2 new (fc/weights, fc/biases); 7 frozen"
    assert ["weights", said] in cells(write_run_page(path))


def test_worst_errors_with_their_pictures(tmp_path):
    path = make_run(tmp_path / "run", pictures=())
    (path / "test-errors").mkdir()
    png(path / "test-errors" / "00.png")
    error = {"file": "a<b.jpg", "true": "cat", "predicted": "dog", "probability": 0.987}
    errors = [error | {"picture": "test-errors/00.png"}, error | {"picture": "test-errors/gone.jpg"}]
    (path / "test.json").write_text(json.dumps(results(MATRIX, NAMES, errors=errors)))
    page = read_page(write_run_page(path))
    assert ("alt", "dog (0.99), labelled cat: a<b.jpg") in page.attributes
    assert ["a<b.jpg", "cat", "dog", "0.9870"] in cells(path / "index.html")


@pytest.mark.fault(42)
@pytest.mark.parametrize("picture", ["../secret.png", "{}/secret.png", "a/../../secret.png", "link.png", ""])
def test_pictures_elsewhere_are_not_shown(tmp_path, picture):
    path = make_run(tmp_path / "run", pictures=())
    png(tmp_path / "secret.png")
    (path / "link.png").symlink_to(tmp_path / "secret.png")
    picture = picture.format(tmp_path)
    error = {"file": "a", "true": "cat", "predicted": "dog", "probability": 0.9, "picture": picture}
    (path / "test.json").write_text(json.dumps(results(MATRIX, NAMES, errors=[error])))
    page = write_run_page(path)
    assert "img" not in read_page(page).tags
    assert ["a", "cat", "dog", "0.9000"] in cells(page)


def test_calibration_is_drawn(tmp_path):
    path = make_run(tmp_path / "run")
    bins = [
        {
            "lower": k / 2,
            "upper": (k + 1) / 2,
            "count": 10 * k,
            "confidence": 0.9,
            "accuracy": 0.7 if k else None,
        }
        for k in range(2)
    ]
    calibration = {"ece": 0.2, "bins": bins, "temperature": 1.5, "ece_calibrated": 0.05}
    (path / "test.json").write_text(json.dumps(results(MATRIX, NAMES, calibration=calibration)))
    page = read_page(write_run_page(path))
    assert page.tags.count("rect") == 1  # an empty bin has no bar
    text = " ".join(page.text)
    assert "Expected calibration error 0.2000" in text and "Temperature 1.5000" in text


def test_later_tests_on_other_images(tmp_path):
    path = make_run(tmp_path / "run")
    other = results([[30, 10, 0], [0, 40, 0], [0, 0, 0]], NAMES, split="/photos/<b>", data_dir="/photos/<b>")
    (path / "test-b.json").write_text(json.dumps(other | {"bad_files": [["x", "y"]]}))
    row = ["/photos/<b>", "80", "0.8750", "0.7850 to 0.9307", "0.8750", "1", "2", "test-b.json"]
    assert row in cells(write_run_page(path))


def test_many_classes(tmp_path):
    names = [f"c{k}" for k in range(1000)]
    matrix = np.diag(np.full(1000, 9))
    matrix[7, 8] = 5
    pages.make_run(tmp_path / "run", names=names, tested=results(matrix, names))
    path = write_run_page(tmp_path / "run")
    assert path.stat().st_size < 200_000
    rows = cells(path)
    assert ["classes", "1000: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ..."] in rows
    assert ["c7", "c8", "5", "0.3571"] in rows
    assert len(rows) < 100


def test_another_page_replaces_the_first(tmp_path):
    path = make_run(tmp_path / "run")
    first = write_run_page(path).read_bytes()
    assert write_run_page(path).read_bytes() == first


def test_a_folder_that_is_not_a_run(tmp_path):
    with pytest.raises(CheckpointError, match=r"is not a run directory: it has no config.yaml; give"):
        write_run_page(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test.json", "{"),
        ("test.json", "[]"),
        ("test.json", "{}"),
        ("test-b.json", '{"class_names": ["a"], "scores": []}'),
        ("training-score.json", "[]"),
        ("timing.csv", "epoch,seconds\n1,long\n"),
        ("history.csv", "epoch,step\n1,2\n"),
        ("history.csv", "epoch,learning_rate,train_loss,train_score,val_score\n1,fast,1,1,1\n"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, text):
    path = make_run(tmp_path / "run")
    (path / name).write_text(text, encoding="utf-8")
    with pytest.raises(
        CheckpointError, match=rf"cannot read .*{name}: .*; restore it from a copy, or"
    ) as error:
        write_run_page(path)
    assert "\n" not in str(error.value)
    assert not (path / "index.html").exists()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)


def screenshot(page, folder, *, width, dark):
    """The pixels of a page in Chromium: (H, W, 3)."""
    target = folder / f"{width}-{dark}.png"
    options = [f"--user-data-dir={folder / target.stem}", f"--window-size={width},1500"]
    options += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--screenshot={target}"]
    command = [CHROMIUM, *CHROMIUM_OPTIONS, *options, page.as_uri()]
    subprocess.run(
        command, check=True, capture_output=True, timeout=600, env={**os.environ, "HOME": str(folder)}
    )
    with Image.open(target) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_page_in_a_browser(tmp_path):
    page = write_run_page(make_run(tmp_path / "run"))
    light = screenshot(page, tmp_path, width=1200, dark=False)
    dark = screenshot(page, tmp_path, width=500, dark=True)
    assert light[:5].mean() > 230 > 60 > dark[:5].mean()  # the margin has the colour of the page
    for pixels in (light, dark):  # text stands out from it, and nothing is cut off at the right edge
        assert np.abs(pixels.astype(int) - pixels[0, 0]).max() > 150
        assert (pixels[:, -6:] == pixels[0, 0]).all()
