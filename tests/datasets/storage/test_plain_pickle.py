import collections
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from datasets.errors import DataError
from datasets.storage import plain_pickle
from datasets.storage.plain_pickle import load_plain_pickle
from tests.support.made_sets import python2_pickle

BATCH = {
    "labels": [3, 0, 9],
    "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "filenames": ["a", "b", "c"],
}


def check_batch(found):
    found = {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}
    assert found["labels"] == [3, 0, 9]
    assert found["data"].dtype == np.uint8
    np.testing.assert_array_equal(found["data"], BATCH["data"])


def test_a_batch_as_python_2_wrote_it():
    found = load_plain_pickle(python2_pickle(BATCH), "batch")
    check_batch(found)
    assert found[b"filenames"] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_a_batch_as_python_3_writes_it(protocol):
    check_batch(load_plain_pickle(pickle.dumps(BATCH, protocol), "batch"))


def test_a_batch_of_the_numpy_before_2():
    content = pickle.dumps(BATCH, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    check_batch(load_plain_pickle(content, "batch"))


@pytest.mark.parametrize("protocol", range(5))
def test_plain_values_are_what_the_ordinary_reader_makes_of_them(protocol):
    value = {"a": [1, -2, 2**70, 1.5, True, None], "b": ("x", ("y",), b"\x00\xff"), "long": list(range(3000))}
    found = load_plain_pickle(pickle.dumps(value, protocol), "x")
    assert found == value == pickle.loads(pickle.dumps(value, protocol))  # noqa: S301


def test_a_single_array_and_an_empty_one():
    np.testing.assert_array_equal(load_plain_pickle(pickle.dumps(BATCH["data"], 4), "x"), BATCH["data"])
    assert load_plain_pickle(pickle.dumps(np.zeros((0, 4), np.uint8), 4), "x").shape == (0, 4)


class Gadget:
    """Calls a function when it is unpickled by the ordinary reader."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def gadgets(marker):
    touch = f"open({str(marker)!r}, 'w').close()"
    return {
        f"{os.system.__module__}.system": Gadget(os.system, f"touch {marker}"),
        "builtins.eval": Gadget(eval, touch),
        "builtins.exec": Gadget(exec, touch),
        "builtins.getattr": Gadget(getattr, "", "join"),
        "numpy.fromfile": Gadget(np.fromfile, "/etc/hostname"),
        "numpy.load": Gadget(np.load, "x.npy"),
        "numpy.ones": Gadget(np.ones, 10**12),
        "collections.OrderedDict": collections.OrderedDict(a=1),
    }


@pytest.mark.fault(17)
@pytest.mark.parametrize("name", [n.replace(os.system.__module__, "SYSTEM") for n in gadgets("x")])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_gadget_is_refused_and_never_runs(tmp_path, name, protocol):
    name = name.replace("SYSTEM", os.system.__module__)
    marker = tmp_path / "marker"
    content = pickle.dumps({"data": BATCH["data"], "labels": gadgets(marker)[name]}, protocol)
    shown = name.rpartition(".")[2]
    with pytest.raises(
        DataError, match=rf"^'b' asks for \S+\.{shown}, .* refused and nothing of it ran"
    ) as error:
        load_plain_pickle(content, "b")
    assert error.value.exit_code == 3
    assert not marker.exists()


def test_the_gadgets_of_these_tests_do_run_in_the_ordinary_reader(tmp_path):
    pickle.loads(pickle.dumps(gadgets(tmp_path / "marker")["builtins.exec"]))  # noqa: S301
    assert (tmp_path / "marker").exists()


def test_a_name_is_shown_escaped_and_short():
    content = b"\x80\x02c" + b"evil\x1b[2J" * 100_000 + b"\nx\n."
    with pytest.raises(DataError) as error:
        load_plain_pickle(content, "b")
    assert "\\x1b[2J" in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


FORTRAN = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(3), "an array of dtype 'i8'; only bytes"),
        (np.array([{}, None], dtype=object), "an array of dtype 'O8'; only bytes"),
        (np.zeros(3, np.int8), "an array of dtype 'i1'"),
        (np.zeros(2, [("a", "u1")]), "an array of dtype 'V1'"),
        (FORTRAN, "not made of bytes in C order"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_only_byte_arrays_are_accepted(array, message, protocol):
    with pytest.raises(DataError, match=message):
        load_plain_pickle(pickle.dumps({"data": array}, protocol), "x")


def test_numpys_own_form_of_protocol_5_is_refused_with_a_message():
    with pytest.raises(DataError, match=r"asks for numpy\S*\._frombuffer, which has no place in a data file"):
        load_plain_pickle(pickle.dumps(BATCH, 5), "x")


def test_a_truncated_batch_is_refused():
    content = python2_pickle(BATCH)
    for size in range(len(content)):
        with pytest.raises(DataError, match="^'x' (is not a pickle|asks for)"):
            load_plain_pickle(content[:size], "x")


def test_garbage_is_an_error_in_one_line_and_nothing_else():
    rng = np.random.default_rng(0)
    whole = pickle.dumps(BATCH, 2)
    for _ in range(500):
        garbled = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            garbled[position] = rng.integers(256)
        for content in (bytes(garbled), rng.bytes(50)):
            try:
                load_plain_pickle(content, "x")
            except DataError as error:
                assert str(error).isprintable()


HUGE = 2**40
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n)R"


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04Nr\xff\xff\xff\xff.",  # the memo's index
        b"\x80\x04Np99999999999999\n.",
        b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"N.",  # a frame
        b"\x80\x04\x8e" + struct.pack("<Q", HUGE) + b"x.",  # bytes
        b"\x80\x04X" + struct.pack("<I", 2**32 - 1) + b"x.",  # text
        b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b"x.",  # a bytearray
        b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",  # a number
        b"\x80\x02" + ARRAY + b"(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\n(U\x02u1tR\x89U\x01xtb.",  # a shape
    ],
)
def test_huge_sizes_are_refused_before_memory_is_used(content):
    tracemalloc.start()
    try:
        load_plain_pickle(content, "x")
    except DataError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**20


def test_repetition_does_not_grow():
    text = b"X" + struct.pack("<I", 10_000) + b"x" * 10_000 + b"q\x01"
    encode = b"c_codecs\nencode\nq\x02"
    call = b"h\x02h\x01\x85R"
    with pytest.raises(DataError, match="repeats its bytes again and again"):
        load_plain_pickle(b"\x80\x02" + text + encode + b"](" + call * 10 + b"e.", "x")
    doubled = b"}q\x00" + b"".join(
        b"}(U\x01ah" + bytes([n]) + b"U\x01bh" + bytes([n]) + b"uq" + bytes([n + 1]) for n in range(60)
    )
    assert set(load_plain_pickle(b"\x80\x02" + doubled + b".", "x")) == {b"a", b"b"}


@pytest.mark.parametrize(
    "operation",
    [
        b"(i__main__\nX\n.",  # INST
        b"(c_codecs\nencode\no.",  # OBJ
        b"c_codecs\nencode\n)\x81.",  # NEWOBJ
        b"\x82\x01.",  # EXT1
        b"Pid\n.",  # PERSID
        b"]\x8f.",  # a set
    ],
)
def test_operations_that_plain_data_do_not_need_are_refused(operation):
    with pytest.raises(DataError, match="it has the operation"):
        load_plain_pickle(b"\x80\x02" + operation, "x")


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    "name",
    [b"_codecs\nencode\n", b"numpy\ndtype\n", b"numpy\nndarray\n", b"numpy.core.multiarray\n_reconstruct\n"],
)
def test_a_pickle_cannot_change_a_stand_in_for_a_function(name):
    before = {c: dict(vars(c)) for c in (plain_pickle._Array, plain_pickle._Dtype, plain_pickle._Encoder)}
    for state in (b"}U\x0c__defaults__(U\x05utf-8tsb.", b"N}U\x04evilK\x01s\x86b."):
        with pytest.raises(DataError):
            load_plain_pickle(b"\x80\x02c" + name + state, "x")
    assert {c: dict(vars(c)) for c in before} == before
    check_batch(load_plain_pickle(pickle.dumps(BATCH, 2), "x"))
