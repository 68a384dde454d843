"""learning/evaluation/results.py: the files and output of a test, also with very many classes."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from learning.config.run_config import RunConfig
from learning.confusion import per_class_recall
from learning.errors import StorageError
from learning.evaluation.results import results_folder, results_name, write_results
from learning.reports.run_page import write_run_page
from learning.reports.scores import detail_lines
from learning.runs.directory import RunDirectory

NUM_CLASSES = 1200


@pytest.fixture(scope="module")
def results():
    """Results for 1,200 classes of 10 images, all correct except some of classes 7 and 1003."""
    matrix = 10 * np.eye(NUM_CLASSES, dtype=np.int64)
    matrix[7, [7, 8, 1199]] = 1, 6, 3
    matrix[1003, [1003, 1002]] = 6, 4
    return {
        "num_images": 10 * NUM_CLASSES,
        "class_names": [f"class-{k}" for k in range(NUM_CLASSES)],
        "scores": [{"crops": 1, "accuracy": 0.99, "seconds": 1.0}],
        "mirroring": {"plain": 0.9, "mirrored": 0.2, "z": 8.0},
        "per_class_recall": per_class_recall(matrix),
        "confusion_matrix": matrix.tolist(),
        "split": "photos",
        "epoch": 1,
        "data_dir": "/photos",
    }


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return folder, write_results(results, folder, "test-photos")


def test_many_classes_are_summed_up(results):
    lines = detail_lines(results)
    cells = [line.split() for line in lines]
    assert len(lines) < 30
    assert max(map(len, lines)) < 80
    start = lines.index("the lowest recall of 1200 classes")
    assert cells[start + 2 : start + 4] == [["class-7", "10", "10.00%"], ["class-1003", "10", "60.00%"]]
    start = lines.index("the most frequent confusions")
    assert cells[start + 2 :] == [
        ["class-7", "->", "class-8", "6", "60.00%"],
        ["class-1003", "->", "class-1002", "4", "40.00%"],
        ["class-7", "->", "class-1199", "3", "30.00%"],
    ]


def test_up_to_twenty_classes_are_a_table():
    matrix = np.eye(20, dtype=np.int64)
    names = [f"c{k}" for k in range(20)]
    lines = detail_lines(
        {"scores": [{"crops": 1}], "class_names": names, "confusion_matrix": matrix.tolist()}
    )
    assert len(lines) == 1 + 1 + 20


def test_the_whole_matrix_is_in_the_files_and_the_picture_is_bounded(results, written):
    folder, names = written
    assert names == ["test-photos.json", "test-photos-confusion.png", "test-photos-confusion.csv"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert json.loads((folder / names[0]).read_text()) == results
    assert (folder / names[0]).stat().st_size < 4_000_000
    with (folder / names[2]).open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == results["class_names"]
    assert [row[0] for row in rows[1:]] == results["class_names"]
    np.testing.assert_array_equal(
        np.array(results["confusion_matrix"]), [list(map(int, row[1:])) for row in rows[1:]]
    )
    with Image.open(folder / names[1]) as picture:
        assert max(picture.size) < 2500
    assert (folder / names[1]).stat().st_size < 1_000_000


def test_the_results_of_the_same_images_are_replaced_however_large_they_are(written, tmp_path):
    folder, _ = written
    assert results_name(folder, tmp_path.joinpath("/photos")) == "test-photos"
    assert results_name(folder, tmp_path / "photos") == "test-photos-2"


def test_the_page_of_many_classes_shows_what_stands_out(results, tmp_path):
    info = {"class_names": results["class_names"], "input_shape": [8, 8, 3]}
    run = RunDirectory.create(tmp_path / "run", RunConfig(), info)
    (run.path / "test.json").write_text(json.dumps(results))
    text = write_run_page(run.path).read_text()
    assert len(text) < 100_000
    assert "The 50 of 1200 classes with the lowest recall." in text
    assert '<td>class-7</td><td>class-8</td><td class="number">6</td><td class="number">0.6000</td>' in text
    assert "No mirror images, --data.reflect false" in text


def test_the_results_of_a_published_run_lie_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    info = {"class_names": ["a", "b"], "input_shape": [8, 8, 3]}
    own = RunDirectory.create(tmp_path / "own", RunConfig(), info)
    published = RunDirectory.create(tmp_path / "net", RunConfig(), {**info, "published": True})
    assert results_folder(own, None) == own.path
    folder = results_folder(published, None)
    assert folder.resolve() == tmp_path / "runs" / "tests" / "net"
    assert folder.is_dir()
    assert results_folder(published, tmp_path / "asked" / "for") == tmp_path / "asked" / "for"
    with pytest.raises(StorageError, match="cannot write .*: Not a directory; choose another --output"):
        results_folder(own, own.path / "config.yaml" / "x")


@pytest.mark.fault(33)
def test_results_that_cannot_be_written_give_no_traceback(tmp_path):
    results = {"class_names": ["a", "b"], "confusion_matrix": [[1, 0], [0, 1]]}
    with pytest.raises(StorageError, match=r"cannot write the results in .*: No such file .*; make room"):
        write_results(results, tmp_path / "gone", "test")


@pytest.mark.fault(32)
def test_what_a_killed_test_left_is_removed_by_the_next(tmp_path):
    abandoned = tmp_path / f".tmp-{'0' * 32}"
    abandoned.touch()
    os.utime(abandoned, (0, 0))
    write_results({"class_names": ["a", "b"], "confusion_matrix": [[1, 0], [0, 1]]}, tmp_path, "test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test-confusion.png", "test.json"]
