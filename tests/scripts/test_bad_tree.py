"""A short version of tests/bad_tree.py."""

import contextlib
import io
import logging
import random

import numpy as np
import pytest
from PIL import Image

from datasets.check import command
from tests.bad_tree import KINDS, Said, compare, is_equal, photographs, run
from tests.support.planted import NAMES, ODD, UNREADABLE
from tests.support.scripts import call_main


@pytest.fixture(scope="module")
def made_photos(tmp_path_factory):
    """Write sixty pictures with enough detail that every cut or flipped bit changes pixels."""
    root = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for number in range(60):
        pixels = rng.integers(0, 256, (40 + number, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{('cat', 'dog')[number % 2]}.{number}.jpg")
    return root


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run a script in this process, because TensorFlow takes seconds to start."""
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))

    def call_and_collect(arguments):
        stdout, stderr = io.StringIO(), io.StringIO()
        handler = logging.StreamHandler(stderr)
        logging.getLogger().addHandler(handler)
        try:
            with contextlib.redirect_stdout(stdout):
                if arguments[0] == "-m":
                    return Said(command.main(arguments[2:]), stdout.getvalue(), stderr.getvalue())
                call_main(*arguments)
        finally:
            logging.getLogger().removeHandler(handler)
        return Said(0, stdout.getvalue(), stderr.getvalue())

    return call_and_collect


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 7, 8, 11)
def test_every_script_names_exactly_the_files_that_cannot_be_read(made_photos, tmp_path, call):
    figures = run(made_photos, tmp_path, 60, len(KINDS), 0, call)
    assert figures["equal"], figures
    assert figures["kinds"] == len(KINDS) - len(figures["left_out"])
    assert set(figures["left_out"]) <= {*UNREADABLE, *(f"damaged, name with {name}" for name in NAMES)}
    assert figures["odd"] == len(ODD) + len(NAMES)
    assert sorted(path.name for path in made_photos.iterdir()) == sorted(
        f"{('cat', 'dog')[number % 2]}.{number}.jpg" for number in range(60)
    )


def test_a_file_too_few_or_too_many_is_a_difference():
    assert compare({"a", "b"}, {"b", "c"}) == {"missing": ["c"], "too_many": ["a"]}
    step = {"missing": [], "too_many": [], "complaints": []}
    steps = dict.fromkeys(("check", "train", "test", "predict"), step)
    assert is_equal(steps)
    for key in step:
        assert not is_equal({**steps, "test": {**step, key: ["x"]}})


def test_photographs_are_drawn_from_class_folders_too(tmp_path):
    for label in ("a", "b", "c"):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.jpg").write_bytes(b"")
    found = photographs(tmp_path, 6, random.Random(0))
    assert sorted(label for _, label in found) == ["a", "a", "b", "b", "c", "c"]
    assert len({path for path, _ in found}) == 6
    with pytest.raises(SystemExit, match="has 9 images, 10 are asked for"):
        photographs(tmp_path, 10, random.Random(0))
