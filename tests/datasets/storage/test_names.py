"""datasets/storage/names.py: many names in one text are a sequence of strings."""

import json
import os

import numpy as np
import pytest

from datasets.storage import names as module
from datasets.storage.names import Names, inside_list, sorted_rows

NAMES = [
    "cat/1.png",
    "",
    "cat/caf\u00e9.png",
    "\uace0\uc591\uc774.jpg",
    os.fsdecode(b"\xff.jpg"),
    "two\nlines",
]


@pytest.fixture(autouse=True)
def _short_batches(monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 4)


@pytest.mark.parametrize("count", range(len(NAMES) + 1))
def test_names_are_those_that_were_given(count):
    names = Names.of(iter(NAMES[:count]))
    assert len(names) == count
    assert list(names) == NAMES[:count]
    assert [names[i] for i in range(count)] == NAMES[:count]
    assert names == NAMES[:count] == list(reversed(list(reversed(names))))
    assert (names == tuple(NAMES[:count]), names == [*NAMES[:count], "x"]) == (True, False)


def test_a_part_is_names_as_well():
    names = Names.of(NAMES)
    assert names[np.array([4, 0, -1])] == [NAMES[4], NAMES[0], NAMES[-1]]
    assert names[1:4][np.array([2])] == [NAMES[3]]
    assert names[-1] == NAMES[-1]
    with pytest.raises(IndexError):
        names[len(NAMES)]


def test_a_sorted_name_is_found():
    names = Names.of(sorted(NAMES))
    assert [names.find(name) for name in sorted(NAMES)] == list(range(len(NAMES)))
    for absent in ("a", "zz", "cat/1.pn"):
        with pytest.raises(KeyError):
            names.find(absent)


@pytest.mark.parametrize("text_of", [json.dumps, repr])
@pytest.mark.parametrize("count", range(len(NAMES) + 1))
def test_pieces_of_a_list_are_what_is_inside_its_text(text_of, count):
    pieces = b"".join(inside_list(NAMES[:count], text_of))
    assert b"[" + pieces + b"]" == text_of(NAMES[:count]).encode()


@pytest.mark.parametrize("given", [[], ["a"], ["a", "a", "b"], ["b", "a", "c", "a"]])
def test_names_are_sorted(given):
    assert [given[row] for row in sorted_rows(Names.of(given))] == sorted(given)
    assert sorted_rows(given).tolist() == sorted_rows(Names.of(given)).tolist()
