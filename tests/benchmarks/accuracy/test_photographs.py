"""benchmarks/accuracy/photographs.py."""

import re

import pytest

from benchmarks.accuracy.photographs import Photographs
from datasets.errors import DataError


@pytest.fixture
def write(tmp_path):
    """Write files, each with its own name as its content, and return their folder."""

    def call(*names):
        for name in names:
            path = tmp_path / "all" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        return tmp_path / "all"

    return call


def contents(folder):
    """The files of each class folder, by their content."""
    return {path.name: {file.read_text() for file in path.iterdir()} for path in folder.iterdir()}


NAMES = [f"{name}/{number}.jpg" for name in ("ant", "bee") for number in range(8)]


def test_training_images_are_other_ones_than_the_held_out(write, tmp_path):
    photographs = Photographs(write(*NAMES), held_out=3)
    photographs.write_held_out(tmp_path / "test")
    test, seen = contents(tmp_path / "test"), {}
    assert {name: len(files) for name, files in test.items()} == {"ant": 3, "bee": 3}
    for seed in range(4):
        photographs.write(tmp_path / f"{seed}", 2, seed)
        drawn = contents(tmp_path / f"{seed}")
        for name, files in drawn.items():
            assert len(files) == 2
            assert not files & test[name]
            assert all(file.startswith(name) for file in files)
            seen.setdefault(name, set()).update(files)
    assert all(len(files) > 2 for files in seen.values())  # a seed draws other ones


def test_the_same_images_are_held_out_whenever_it_is_asked(write, tmp_path):
    folder = write(*NAMES)
    for name in ("once", "again"):
        Photographs(folder, held_out=3).write_held_out(tmp_path / name)
    assert contents(tmp_path / "once") == contents(tmp_path / "again")


def test_more_images_include_the_fewer(write, tmp_path):
    photographs = Photographs(write(*NAMES), held_out=3)
    for count in (2, 5):
        photographs.write(tmp_path / f"{count}", count, seed=1)
    few, many = contents(tmp_path / "2"), contents(tmp_path / "5")
    assert all(few[name] < many[name] for name in few)


def test_the_names_of_asirra_are_classes(write, tmp_path):
    folder = write(*(f"train/{name}.{number}.jpg" for name in ("cat", "dog") for number in range(2)))
    Photographs(folder, held_out=1).write(tmp_path / "drawn", 1, seed=0)
    assert contents(tmp_path / "drawn").keys() == {"cat", "dog"}


def test_too_few_images_of_a_class_are_an_error(write, tmp_path):
    photographs = Photographs(write(*NAMES), held_out=3)
    told = "has 8 images of ant, fewer than 6 to train on and 3 to hold out; lower --per-class or --held-out"
    with pytest.raises(DataError, match=re.escape(told)):
        photographs.write(tmp_path / "drawn", 6, seed=0)
