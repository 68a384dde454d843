"""learning/evaluation/predicted_images.py: the table of what was predicted."""

import csv

import numpy as np
import pytest

from datasets.dataset import DataSet
from learning.evaluation.predicted_images import PredictedImages, write_table


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_every_image_has_a_row_with_the_probabilities_of_its_classes(tmp_path):
    names = ["a/1.png", 'odd, "name"\n.png', "undecodable-\udcff.png"]
    predictions = np.array([[0.75, 0.25], [0.125, 0.875], [np.nan, np.nan]])
    write_table(PredictedImages(names, np.array([0, 0, 1]), predictions, ["cat", "file"]), tmp_path / "t.csv")
    assert rows_of(tmp_path / "t.csv") == [
        ["file", "true", "predicted", "probability", "P(cat)", "P(file)"],
        ["a/1.png", "cat", "cat", "0.75", "0.75", "0.25"],
        [names[1], "cat", "file", "0.875", "0.125", "0.875"],
        ["undecodable-\\udcff.png", "file", "cat", "nan", "nan", "nan"],
    ]


@pytest.mark.parametrize(("count", "columns"), [(50, 4 + 50), (51, 4 + 10)])
def test_of_very_many_classes_only_the_best_are_written(tmp_path, count, columns):
    predictions = np.arange(count)[np.newaxis] / 10_000
    names = [f"c{number}" for number in range(count)]
    write_table(PredictedImages(["x"], np.array([3]), predictions, names), tmp_path / "t.csv")
    header, row = rows_of(tmp_path / "t.csv")
    assert len(header) == len(row) == columns
    assert row[:4] == ["x", "c3", names[-1], f"{(count - 1) / 10_000:.6g}"]
    if count == 51:
        assert header[4:8] == ["class1", "probability1", "class2", "probability2"]
        assert row[4:8] == ["c50", "0.005", "c49", "0.0049"]


def test_images_and_classes_without_names_have_numbers():
    images = PredictedImages.of(DataSet(np.zeros((2, 4, 4, 3), np.uint8)), np.array([1, 0]), np.eye(2))
    assert (list(images.files), list(images.class_names)) == (["0", "1"], ["0", "1"])
    np.testing.assert_array_equal(images.predicted, [0, 1])
