"""learning/export/questions.py: which images an export is checked with."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DataError
from learning.export.questions import MOST, Questions, evenly, folder_questions, questions_for
from learning.runs.directory import RunDirectory


@pytest.fixture
def run(digits_run):
    return RunDirectory(digits_run)


@pytest.fixture
def folder(tmp_path):
    """Five pictures of one grey level each, and a file that is none."""
    for number in range(5):
        Image.new("L", (20, 30), 40 * number).save(tmp_path / f"{number}.png")
    (tmp_path / "5.png").write_bytes(b"no picture")
    return tmp_path


def levels(images):
    return images.reshape(len(images), -1).mean(axis=1).tolist()


def test_rows_cover_a_set_evenly_and_each_once():
    assert evenly(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert evenly(1001, 5).tolist() == [0, 250, 500, 750, 1000]
    assert len(set(evenly(300, 256))) == 256


def test_the_held_out_images_with_their_labels(run):
    questions, examples = questions_for(run, None, with_examples=True)
    count = run.num_images["test"]
    assert 256 < count == len(questions.images) == len(questions.names) == len(questions.labels)
    assert questions.images.shape[1:] == (12, 12, 1)
    assert (len(examples), examples.dtype) == (200, np.uint8)
    fewer, none = questions_for(run, None, with_examples=False)
    assert (len(fewer.images), none) == (MOST, None)


def test_readable_pictures_of_a_folder(run, folder):
    questions = folder_questions(run, str(folder))
    assert levels(questions.images) == [0, 40, 80, 120, 160]
    assert questions.labels is None
    rows, files, num_originals = questions.files()
    assert (rows.tolist(), num_originals) == ([0, 1, 2, 3, 4], 5)
    assert files[2] == (folder / "2.png").read_bytes()


def test_half_of_a_folder_is_examples_for_a_published_run(run, folder):
    run.info["published"] = True
    questions, examples = questions_for(run, str(folder), with_examples=True)
    assert (levels(questions.images), levels(examples)) == ([40, 120], [0, 80, 160])
    for number in range(1, 5):
        (folder / f"{number}.png").unlink()
    with pytest.raises(DataError, match="there is only one image in .*; give at least 2"):
        questions_for(run, str(folder), with_examples=True)
    (folder / "0.png").unlink()
    with pytest.raises(DataError, match="none of the images in .* can be read; give others with --check"):
        questions_for(run, str(folder), with_examples=True)


def test_files_that_tensorflow_decodes_differently_become_plain_ones():
    file, pixels = io.BytesIO(), np.full((1, 4, 4, 1), 7, np.uint8)
    Image.fromarray(np.full((8, 8), 1800, np.uint16)).save(file, "PNG")
    contents = {"deep.png": file.getvalue()}
    questions = Questions(pixels, ("deep.png",), None, "a folder", contents.__getitem__)
    _, (made,), num_originals = questions.files()
    assert num_originals == 0
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(made))), pixels[0, ..., 0])
