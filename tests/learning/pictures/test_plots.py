"""learning/pictures/plots.py: the data of lines, the cells of tables, and the pixels of pictures."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from learning.pictures.plots import (
    MAX_GRID_IMAGES,
    draw_confusion_matrix,
    draw_image_grid,
    draw_learning_curves,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def figures(monkeypatch):
    """Collect the figures that are written, in order."""
    saved = []
    write = Figure.savefig

    def remember(figure, *args, **kwargs):
        saved.append(figure)
        write(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)
    return saved


def row(epoch, **values):
    made = {
        "epoch": epoch,
        "step": 100 * epoch,
        "learning_rate": 0.1 / epoch,
        "train_loss": 2.0 / epoch,
        "train_score": 1 - 0.5 / epoch,
        "val_score": 0.9 - 0.5 / epoch,
    }
    return made | values


def lines(axes):
    """Return the curves of a panel by label, with NaN for gaps."""
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def texts(axes):
    return [text.get_text() for text in axes.texts]


class TestLearningCurves:
    def test_curves_hold_the_history(self, figures, tmp_path):
        draw_learning_curves([row(1), row(2), row(4)], tmp_path / "curves.png", title="a $run$")
        loss, score, rate = figures[0].axes
        np.testing.assert_allclose(lines(loss)["training"], [2.0, 1.0, 0.5])
        np.testing.assert_allclose(lines(score)["last minibatch"], [0.5, 0.75, 0.875])
        np.testing.assert_allclose(lines(score)["validation"], [0.4, 0.65, 0.775])
        np.testing.assert_allclose(lines(rate)["learning rate"], [0.1, 0.05, 0.025])
        np.testing.assert_array_equal(rate.lines[0].get_xdata(), [1, 2, 4])
        assert rate.get_yscale() == "log"
        with Image.open(tmp_path / "curves.png") as picture:
            assert picture.size == (960, 1020)

    def test_missing_scores_leave_gaps(self, figures, tmp_path):
        history = [row(1, val_score=None), row(2), row(3, train_loss=float("nan"), val_score=float("inf"))]
        draw_learning_curves(history, tmp_path / "curves.png")
        loss, score, _ = figures[0].axes
        np.testing.assert_allclose(lines(loss)["training"], [2.0, 1.0, np.nan])
        np.testing.assert_allclose(lines(score)["validation"], [np.nan, 0.65, np.nan])

    def test_no_validation_set(self, figures, tmp_path):
        draw_learning_curves([row(1, val_score=None)], tmp_path / "curves.png", best_epoch=1)
        assert list(lines(figures[0].axes[1])) == ["last minibatch", "best: epoch 1 (0.5)"]

    def test_best_epoch_is_marked_with_its_validation_score(self, figures, tmp_path):
        draw_learning_curves([row(1), row(2), row(3)], tmp_path / "curves.png", best_epoch=2)
        loss, score, _ = figures[0].axes
        marks = [line for axes in (loss, score) for line in axes.lines if "best" in line.get_label()]
        assert [list(mark.get_xdata()) for mark in marks] == [[2, 2], [2, 2]]
        assert "best: epoch 2 (0.65)" in [text.get_text() for text in score.get_legend().get_texts()]

    def test_single_epoch_is_a_point_at_a_whole_number(self, figures, tmp_path):
        draw_learning_curves([row(1)], tmp_path / "curves.png")
        rate = figures[0].axes[2]
        assert rate.get_xlim() == (0, 2)
        assert rate.lines[0].get_marker() == "o"
        assert all(float(tick).is_integer() for tick in rate.get_xticks())

    @pytest.mark.parametrize("learning_rate", [0.0, None])
    def test_rate_without_a_logarithm(self, figures, tmp_path, learning_rate):
        draw_learning_curves([row(1, learning_rate=learning_rate)], tmp_path / "curves.png")
        assert figures[0].axes[2].get_yscale() == "linear"

    def test_only_gaps(self, tmp_path):
        empty = {"train_loss": None, "train_score": None, "val_score": None, "learning_rate": None}
        draw_learning_curves([row(1, **empty)], tmp_path / "curves.png", best_epoch=1)
        assert (tmp_path / "curves.png").stat().st_size > 0

    def test_empty_history(self, tmp_path):
        with pytest.raises(ValueError, match="the history is empty; draw the curves after the first epoch"):
            draw_learning_curves([], tmp_path / "curves.png")


class TestConfusionMatrix:
    def test_counts_and_colours(self, figures, tmp_path):
        draw_confusion_matrix(np.array([[3, 1], [0, 0]]), ["cat", "dog"], tmp_path / "matrix.png")
        axes = figures[0].axes[0]
        assert texts(axes) == ["3", "1", "0", "0"]
        np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
        assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
        assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")

    def test_no_counts_of_more_than_thirty_classes(self, figures, tmp_path):
        draw_confusion_matrix(np.full((31, 31), 123456), ["class"] * 31, tmp_path / "matrix.png")
        assert texts(figures[0].axes[0]) == []

    def test_counts_of_thirty_classes_stay_inside_their_cells(self, figures, tmp_path):
        draw_confusion_matrix(
            np.full((30, 30), 123456), [f"class {k}" for k in range(30)], tmp_path / "m.png"
        )
        axes = figures[0].axes[0]
        assert len(axes.texts) == 900
        cell = axes.get_window_extent().width / 30
        assert all(text.get_window_extent().width < cell for text in axes.texts)

    @pytest.mark.parametrize("num_classes", [10, 60, 200])
    def test_names_do_not_overlap(self, figures, tmp_path, num_classes):
        names = [f"class number {k} with a long name {k}" for k in range(num_classes)]
        draw_confusion_matrix(np.eye(num_classes, dtype=int), names, tmp_path / "matrix.png")
        boxes = [label.get_window_extent() for label in figures[0].axes[0].get_yticklabels()]
        assert 1 < len(boxes) <= 60
        assert all(lower.y1 <= upper.y0 for upper, lower in pairwise(boxes))

    def test_long_names_keep_both_ends(self, figures, tmp_path):
        draw_confusion_matrix(np.eye(2, dtype=int), ["a" * 20 + "x" * 20, "b"], tmp_path / "matrix.png")
        assert figures[0].axes[0].get_yticklabels()[0].get_text() == "aaaaaaaaaaaa…xxxxxxxxxxx"

    def test_names_that_matplotlib_would_take_for_something_else(self, tmp_path):
        names = ["$\\frac$", "고양이", "a\nb\x00", "\udcff", ""]
        draw_confusion_matrix(np.eye(5, dtype=int), names, tmp_path / "matrix.png")
        assert (tmp_path / "matrix.png").stat().st_size > 0


class TestImageGrid:
    def test_pixels_and_captions(self, figures, tmp_path):
        images = np.zeros((3, 4, 4, 3), np.uint8)
        images[..., 0] = np.array([255, 128, 0]).reshape(3, 1, 1)
        draw_image_grid(images, ["one", "two", "$3$"], tmp_path / "grid.png", columns=2)
        axes = figures[0].axes
        assert [a.get_title() for a in axes] == ["one", "two", r"\$3\$", ""]
        np.testing.assert_array_equal(axes[1].images[0].get_array(), images[1])
        assert not axes[3].images
        with Image.open(tmp_path / "grid.png") as picture:
            written = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert {(255, 0, 0), (128, 0, 0), (0, 0, 0)} <= set(map(tuple, written.tolist()))

    def test_single_channel_is_grey(self, figures, tmp_path):
        images = np.linspace(0, 1, 4, dtype=np.float64).reshape(1, 2, 2, 1)
        draw_image_grid(images, ["digit"], tmp_path / "grid.png")
        shown = figures[0].axes[0].images[0].get_array()
        np.testing.assert_allclose(shown, np.repeat(images[0], 3, axis=2), rtol=1e-6)

    def test_long_captions_take_two_lines_of_their_column(self, figures, tmp_path):
        draw_image_grid(np.zeros((2, 8, 8, 3), np.uint8), ["w" * 30 + " and" * 30] * 2, tmp_path / "grid.png")
        caption = figures[0].axes[0].get_title()
        assert caption.count("\n") == 1
        assert caption.endswith("…")

    @pytest.mark.parametrize(
        ("images", "captions", "columns", "message"),
        [
            (np.zeros((0, 4, 4, 3), np.uint8), [], 8, r"shape \(0, 4, 4, 3\)"),
            (np.zeros((1, 4, 4, 4), np.uint8), ["a"], 8, r"shape \(1, 4, 4, 4\); give"),
            (np.zeros((4, 4, 3), np.uint8), ["a"], 8, r"shape \(4, 4, 3\); give"),
            (np.zeros((1, 4, 4, 3), np.int64), ["a"], 8, "images are int64; give uint8"),
            (np.full((1, 4, 4, 3), 255.0), ["a"], 8, r"from 255.0 to 255.0; scale them to \[0, 1\]"),
            (np.full((1, 4, 4, 3), np.nan), ["a"], 8, r"scale them to \[0, 1\]"),
            (np.zeros((2, 4, 4, 3), np.uint8), ["a"], 8, "1 captions for 2 images"),
            (np.zeros((1, 4, 4, 3), np.uint8), ["a"], 0, "columns is 0"),
            (
                np.zeros((MAX_GRID_IMAGES + 1, 1, 1, 3), np.uint8),
                [],
                8,
                "401 images are too many.*at most 400",
            ),
        ],
    )
    def test_the_message_says_what_does_not_fit(self, tmp_path, images, captions, columns, message):
        with pytest.raises(ValueError, match=message):
            draw_image_grid(images, captions, tmp_path / "grid.png", columns=columns)
        assert not list(tmp_path.iterdir())


def test_import_brings_neither_pyplot_nor_tensorflow():
    heavy = "{'matplotlib.pyplot', 'tensorflow'} & {*sys.modules}"
    code = f"import sys, learning.pictures.plots; sys.exit(len({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.fault(50)
def test_a_read_only_home_prints_nothing(tmp_path):
    (tmp_path / "home").touch()
    unset = ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    done = subprocess.run(
        [sys.executable, "-c", "from learning.pictures import plots"],
        cwd=Path(__file__).resolve().parents[3],
        env={**environment, "HOME": str(tmp_path / "home")},
        capture_output=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, b"")
