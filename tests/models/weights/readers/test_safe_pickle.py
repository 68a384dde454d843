"""Pickles of plain data are read, and nothing that a pickle names is ever called."""

import builtins
import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest

from models.weights.errors import WeightsError
from models.weights.readers import safe_pickle
from models.weights.readers.safe_pickle import Buildable, Name, leaves, load_pickle, ordered_dict
from tests.support.made_weights import Gadget


def load(content, functions=None, **options):
    return load_pickle(io.BytesIO(content), functions or {}, **options)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_what_the_ordinary_reader_makes_of_them(protocol):
    shared = [1, -2, 300, 70000, 2**70]
    value = {
        "a": shared,
        "again": shared,
        3: (1.5, True, None),
        "b": ("x", ("y",), ()),
        "l": list(range(3000)),
    }
    if protocol >= 3:
        value["bytes"] = b"\x00\xff" * 200
    found = load(pickle.dumps(value, protocol))
    assert found == value
    assert found["a"] is found["again"]


def test_strings_of_python_2_are_latin1():
    assert load(b"\x80\x02U\x02\xe9a.") == "éa"
    assert load(b"\x80\x02T\x02\0\0\0\xffa.") == "\xffa"


@pytest.mark.parametrize("protocol", range(6))
def test_a_known_function_gets_its_arguments_and_its_state(protocol):
    class Point(Buildable):
        def __init__(self, *arguments):
            self.arguments, self.state = arguments, None

        def build(self, state):
            self.state = state

    content = pickle.dumps(np.arange(3, dtype=np.int8), min(protocol, 4))
    known = {"numpy.dtype": Point, "_codecs.encode": lambda text, form: text.encode(form)}
    known |= {f"numpy.{core}.multiarray._reconstruct": Point for core in ("core", "_core")}
    found = load(content, known, names={"numpy.ndarray"})
    assert found.arguments[0] == Name("numpy.ndarray")
    assert found.state[1] == (3,) and found.state[4] == b"\0\1\2"
    assert found.state[2].arguments[0] == "i1"


def gadgets(marker):
    touch = f"open({str(marker)!r}, 'w').close()"
    return [
        Gadget(os.system, f"touch {marker}"), Gadget(eval, touch), Gadget(exec, touch), Gadget(getattr, "", "join"),
        Gadget(np.fromfile, "/etc/hostname"), Gadget(np.ones, 10**12), Gadget(open, str(marker), "w"),
        Gadget(builtins.__import__, "os"), Gadget(pickle.loads, b"."), collections.Counter("a"), len, os,
    ]  # fmt: skip


@pytest.mark.fault(52)
@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_gadget_is_refused_and_never_runs(tmp_path, number, protocol):
    marker = tmp_path / "marker"
    content = pickle.dumps({"a": [1, gadgets(marker)[number]]}, protocol)
    with pytest.raises(WeightsError, match=r"asks for \S+\.\S+, .* refused and nothing of it ran"):
        load(content, {"collections.OrderedDict": ordered_dict})
    assert not marker.exists()


def test_these_gadgets_run_in_the_ordinary_reader(tmp_path):
    pickle.loads(pickle.dumps(gadgets(tmp_path / "marker")[2]))  # noqa: S301
    assert (tmp_path / "marker").exists()


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "asks for os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "asks for os.system"),
        (b"(S'true'\nios\nsystem\n.", "operation INST"),
        (b"(cos\nsystem\nS'true'\no.", "asks for os.system"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "operation NEWOBJ"),
        (b"\x80\x02ccollections\nOrderedDict\n}b.", "changes a value that cannot change"),
        (b"\x80\x02K\x01)R.", "calls 1, which is not a function"),
        (b"\x80\x02U\x0bcollections)R.", "calls collections, which is not a function"),
        (b"\x80\x02U\x01xQ.", "refers to other files"),
        (b"\x80\x02\x82\x01.", "operation EXT1"),
        (b"\x80\x05\x97.", "operation NEXT_BUFFER"),
        (b"\x80\x02}K\x01K\x02\x86K\x03s.", "other keys than names"),
        (b"\x80\x02}\x8a\x05\0\0\0\0\1K\x03s.", "other keys than names"),
        (b"\x80\x02]K\x01K\x02s.", "garbled"),
        (b"\x80\x02}K\x01a.", "garbled"),
    ],
)
def test_what_weights_do_not_need_is_refused(content, message):
    with pytest.raises(WeightsError, match=message):
        load(content, {"collections.OrderedDict": ordered_dict})


@pytest.mark.fault(52)
def test_too_many_operations_are_refused(monkeypatch):
    monkeypatch.setattr(safe_pickle, "MAX_OPERATIONS", 1000)
    with pytest.raises(WeightsError, match="more than 1000 operations"):
        load(b"N" * 1001 + b".")


@pytest.mark.fault(52)
def test_a_claimed_length_takes_no_memory():
    for content in (
        b"\x8e" + struct.pack("<Q", 2**62),
        b"B" + struct.pack("<I", 2**32 - 1),
        b"\x8d" + b"\xff" * 8,
    ):
        with pytest.raises((ValueError, WeightsError)):
            load(b"\x80\x04" + content + b"abc.")


def test_an_ordered_dictionary_may_have_attributes():
    class Holder:
        def __reduce__(self):
            return collections.OrderedDict, (), {"_metadata": {"version": 1}}, None, iter([("a", 1)])

    content = pickle.dumps(Holder(), 2)
    assert load(content, {"collections.OrderedDict": ordered_dict}) == {"a": 1}
    assert ordered_dict([["a", 1], ("b", 2)]) == {"a": 1, "b": 2}


def test_the_names_of_leaves_are_paths():
    value = {"a": [1, {"x": 2}], b"b": 3, 4: (5,), "empty": {}}
    assert list(leaves(value)) == [("a/0", 1), ("a/1/x", 2), ("b", 3), ("4/0", 5)]
    assert list(leaves(7)) == [("", 7)]


@pytest.mark.fault(52)
def test_values_within_themselves_end(monkeypatch):
    monkeypatch.setattr(safe_pickle, "MAX_OPERATIONS", 10_000)
    endless = {}
    endless["a"] = endless
    laughs = [1]
    for _ in range(14):
        laughs = [laughs] * 9
    for value in (endless, laughs, {"n" * 2000: {"a": 1}}):
        with pytest.raises(WeightsError, match="nested too deep or too many"):
            list(leaves(value))
