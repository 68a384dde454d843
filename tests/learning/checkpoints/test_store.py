"""Checkpoints as one atomic unit, and the state in them."""

import errno
import json
import logging
import math
import os
import resource
import shutil
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.storage.failures import is_storage_failure
from datasets.storage.untrusted import read_text
from learning.checkpoints.checksums import CHECKSUMS_FILE, find_damage, write_checksums
from learning.checkpoints.saved_variables import restore
from learning.checkpoints.state import TrainingState
from learning.checkpoints.store import PREFIX, CheckpointStore
from learning.errors import CheckpointError, StorageError
from tests.support.fuzzing import damaged, often


@pytest.fixture
def saved():
    """A session with one variable, its saver, and a function that sets the variable and saves."""
    with tf.Graph().as_default():
        variable = v1.get_variable("w", [3], tf.float32, v1.zeros_initializer(), use_resource=True)
        value = v1.placeholder(tf.float32, [3])
        assign = variable.assign(value).op  # not Variable.load: its deprecation is told among the warnings
        saver = v1.train.Saver([variable], max_to_keep=None)
        with v1.Session() as sess:

            def save(store, step, **state):
                sess.run(assign, {value: [step] * 3})
                return store.save(sess, saver, TrainingState(global_step=step, **state))

            yield sess, variable, save


def test_newest_and_best_are_kept(tmp_path, saved):
    _, _, save = saved
    store = CheckpointStore(tmp_path, keep=2)
    for step in range(1, 7):
        save(store, step, best_step=min(step, 2), best_epoch=min(step, 2))
    assert store.steps() == [2, 5, 6]
    assert store.newest_state().global_step == 6
    assert not list(store.folder.glob(".*"))


def test_the_best_checkpoint_before_each_kept_one_is_kept_too(tmp_path, saved):
    _, _, save = saved
    for step, best in ((1, 1), (2, 1), (3, 1), (4, 4)):
        # as a resumed run does, each save knows nothing of those before
        save(CheckpointStore(tmp_path, keep=2), step, best_step=best, best_epoch=best)
    assert CheckpointStore(tmp_path).steps() == [1, 3, 4]  # 3 has its best too, should 4 turn out damaged
    save(CheckpointStore(tmp_path, keep=2), 5, best_step=4, best_epoch=4)
    assert CheckpointStore(tmp_path).steps() == [4, 5]


def test_variables_and_state_belong_together(tmp_path, saved):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path, keep=9)
    for step in (3, 8):
        save(store, step)
    for step in (3, 8):
        restore(sess, [variable], store.path(step))
        assert sess.run(variable).tolist() == [step] * 3
        assert store.read_state(step).global_step == step


def test_model_ckpt_follows_the_best(tmp_path, saved):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path)
    save(store, 1, best_step=1, best_epoch=1)
    save(store, 2, best_step=1, best_epoch=1)
    v1.train.Saver([variable]).restore(sess, str(tmp_path / "model.ckpt"))
    assert sess.run(variable).tolist() == [1] * 3
    save(store, 3, best_step=3, best_epoch=3)
    v1.train.Saver([variable]).restore(sess, str(tmp_path / "model.ckpt"))
    assert sess.run(variable).tolist() == [3] * 3


def test_model_ckpt_follows_the_last_where_that_counts(tmp_path, saved):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path, keep=1, select="last")
    for step in (1, 2, 3):
        save(store, step, best_step=1, best_epoch=1)
    v1.train.Saver([variable]).restore(sess, str(tmp_path / "model.ckpt"))
    assert sess.run(variable).tolist() == [3] * 3
    assert store.steps() == [1, 3]  # the best stays too
    assert store.selected(store.newest_state())[0] == 3


def test_where_nothing_was_better_than_nothing_the_last_weights_count(tmp_path, saved):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    save(store, 4, epoch=2)
    assert store.selected(store.newest_state()) == (4, 2)
    assert (tmp_path / "model.ckpt.index").is_file()


class Killed(BaseException):
    """Raised in place of killing the process."""


@pytest.mark.fault(28, 32, 34)
@pytest.mark.parametrize("number", range(9))
def test_a_kill_at_any_rename_leaves_the_old_or_the_new(tmp_path, saved, monkeypatch, number):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path, keep=1)
    save(store, 1, best_step=1, best_epoch=1)
    calls = []

    def dying(name):
        original = getattr(Path, name)

        def call(self, *args, **options):
            calls.append(name)
            if len(calls) == number + 1:
                raise Killed
            return original(self, *args, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "mkdir"):
            patch.setattr(Path, name, dying(name))
        try:
            save(store, 2, best_step=2, best_epoch=2)
        except Killed:
            pass
        else:
            pytest.skip("a save has fewer renames than this")
    after = CheckpointStore(tmp_path, keep=1)
    state = after.newest_state()
    assert state.best_step == state.global_step
    for step in (state.global_step, after.usable()[0]):  # the last and the best
        restore(sess, [variable], after.path(step))
        assert sess.run(variable).tolist() == [state.global_step] * 3
    save(after, 3, best_step=3, best_epoch=3)
    assert after.steps() == [3]
    assert not list(tmp_path.rglob(".*"))


def contents(folder):
    """Every file with its bytes."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.fault(33)
@pytest.mark.parametrize("step", ["write_text", "write_checksums", "fsync_path"])
def test_a_save_that_fails_says_so_and_keeps_the_earlier_one(tmp_path, saved, monkeypatch, step):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    before = contents(save(store, 4))

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        module = "datasets.storage.atomic" if step == "fsync_path" else "learning.checkpoints.store"
        patch.setattr(f"{module}.{step}", full)
        with pytest.raises(
            StorageError, match=r"No space left on device \(\d+ MiB free\); the earlier ones are"
        ):
            save(store, 5)
    assert store.steps() == [4]
    assert contents(store.path(4)) == before
    save(store, 5)  # there is room again
    assert store.steps() == [4, 5]


@pytest.mark.fault(33)
@pytest.mark.parametrize("error", [FileExistsError(errno.EEXIST, "File exists"), OSError("of a user's code")])
def test_an_error_that_the_disk_did_not_cause_is_not_called_a_disk_error(tmp_path, saved, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr("learning.checkpoints.store.write_checksums", fail)
    with pytest.raises(type(error)) as raised:
        saved[2](CheckpointStore(tmp_path), 4)
    assert raised.value is error


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EINVAL, "Invalid argument"), False),
        (tf.errors.ResourceExhaustedError(None, None, "/run/x; No space left on device"), True),
        (tf.errors.OutOfRangeError(None, None, "/run/x; File too large"), True),
        (tf.errors.UnknownError(None, None, "/run/x; Input/output error"), True),
        (tf.errors.PermissionDeniedError(None, None, "/run/x"), True),
        (
            tf.errors.FailedPreconditionError(None, None, "Attempting to use uninitialized value conv1/w"),
            False,
        ),
        (tf.errors.InternalError(None, None, "a defect"), False),
    ],
)
def test_what_of_tensorflow_s_errors_tells_of_the_disk(tmp_path, error, expected):
    assert is_storage_failure(error, tmp_path) is expected
    assert is_storage_failure(error, tmp_path / "gone")


@pytest.mark.fault(33)
@pytest.mark.parametrize("num_bytes", [0, 8, 100, 250])
def test_a_save_with_too_little_room_for_its_files_keeps_the_earlier_one(tmp_path, saved, num_bytes):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    before = contents(save(store, 4))
    assert max(map(len, before.values())) > 250
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))  # a disk that is full needs more rights
    try:
        with pytest.raises(StorageError, match="File too large .*; the earlier ones are as they were"):
            save(store, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.steps() == [4]
    assert contents(store.path(4)) == before
    save(store, 5)
    assert not list(store.folder.glob(".*"))


@pytest.mark.fault(24)
def test_a_variable_that_differs_is_named(tmp_path, saved):
    sess, _, save = saved
    path = save(CheckpointStore(tmp_path), 1)
    with sess.graph.as_default():
        extra = v1.get_variable("v", [2], use_resource=True)
        other = tf.Graph()
    with pytest.raises(CheckpointError, match="v is missing there"):
        restore(sess, [extra], path)
    with other.as_default(), v1.Session() as second:
        wide = v1.get_variable("w", [4], use_resource=True)
        with pytest.raises(CheckpointError, match=r"w is \[3\] there, \[4\] here"):
            restore(second, [wide], path)
        with pytest.raises(CheckpointError, match="w is not in this model"):
            restore(second, [], path, exact=True)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(b"\xff{]")


DAMAGES = [
    (flip, "model.ckpt.data-00000-of-00001", "the SHA-256 of model.ckpt.data-00000-of-00001 differs"),
    (cut, "model.ckpt.data-00000-of-00001", r"model.ckpt.data-00000-of-00001 has 11 bytes, not 12"),
    (empty, "model.ckpt.index", "model.ckpt.index has 0 bytes"),
    (flip, "model.ckpt.index", "the SHA-256 of model.ckpt.index differs"),
    (Path.unlink, "model.ckpt.index", "model.ckpt.index is missing"),
    (garbage, "state.json", "state.json has 3 bytes"),
    (Path.unlink, "state.json", "state.json is missing"),
    (empty, "checksums.json", "cannot read checksums.json"),
    (garbage, "checksums.json", "cannot read checksums.json"),
    (cut, "checksums.json", "cannot read checksums.json"),
]


@pytest.mark.fault(29)
@pytest.mark.parametrize(("damage", "name", "message"), DAMAGES)
def test_of_a_damaged_checkpoint_one_warning_tells_and_the_one_before_is_used(
    tmp_path, saved, caplog, damage, name, message
):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path, select="last")
    for step in (3, 8):
        save(store, step, epoch=step)
    damage(store.path(8) / name)
    assert CheckpointStore(tmp_path, select="last").usable()[:2] == (3, 3)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{store.path(8)} is damaged: {message}" in record.getMessage()
    assert record.getMessage().endswith("; step-00000003 is used instead")
    restore(sess, [variable], store.path(3))
    assert sess.run(variable).tolist() == [3] * 3
    assert store.steps() == [3, 8]  # looking changes nothing


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("damage", "name"),
    [(d, n) for d, n, _ in DAMAGES if n != "checksums.json" and (d, n) != (flip, "model.ckpt.index")],
)
def test_without_checksums_the_tensors_themselves_are_read(tmp_path, saved, caplog, damage, name):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    for step in (3, 8):
        (save(store, step) / CHECKSUMS_FILE).unlink()
    assert store.newest_state().global_step == 8
    assert not caplog.records
    damage(store.path(8) / name)
    assert store.newest_state().global_step == 3
    assert len(caplog.records) == 1


@pytest.mark.fault(31)
def test_where_every_checkpoint_is_damaged_all_are_listed(tmp_path, saved, caplog):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    for step, name in ((3, "state.json"), (8, "model.ckpt.index")):
        empty(save(store, step) / name)
    with pytest.raises(CheckpointError, match="no checkpoint can be used: .*; restore one of them") as raised:
        store.newest_state()
    for text in (
        "step-00000003 is damaged: state.json has 0",
        "step-00000008 is damaged: model.ckpt.index has 0",
    ):
        assert text in str(raised.value)
    assert raised.value.exit_code == 4
    assert not caplog.records


@pytest.mark.fault(29, 31)
@pytest.mark.parametrize("summed", [True, False])
def test_a_damaged_checkpoint_is_skipped_whatever_the_damage(tmp_path, saved, summed):
    sess, variable, save = saved
    store, rng = CheckpointStore(tmp_path), np.random.default_rng(0)
    for step in (3, 8):
        save(store, step)
    if not summed:
        (store.path(8) / CHECKSUMS_FILE).unlink()
    for path in sorted(store.path(8).iterdir()):
        whole = path.read_bytes()
        for _ in range(often(12)):
            path.write_bytes(damaged(whole, rng))
            step = CheckpointStore(tmp_path).newest_state().global_step
            assert step == 3 or not summed or path.read_bytes() == whole or path.name == CHECKSUMS_FILE
            restore(sess, [variable], store.path(step))
        path.write_bytes(whole)
    assert CheckpointStore(tmp_path).newest_state().global_step == 8


@pytest.mark.fault(29, 34)
@pytest.mark.parametrize("damage", [lambda folder: flip(next(folder.glob("*.data-*"))), shutil.rmtree])
def test_damaged_best_weights_are_replaced_by_the_newest_with_a_message(tmp_path, saved, caplog, damage):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    for step in (2, 4, 6):
        save(store, step, epoch=step // 2, best_step=2, best_epoch=1)
    assert store.usable()[:2] == (2, 1)
    assert not caplog.records
    damage(store.path(2))
    assert store.usable()[:2] == (6, 3)
    (record,) = caplog.records
    assert "step-00000002 is damaged" in record.getMessage()
    assert (
        "these were the best weights (epoch 1), the weights of epoch 3 are used instead"
        in record.getMessage()
    )


@pytest.mark.fault(29)
def test_the_steps_of_damaged_checkpoints_can_be_saved_again(tmp_path, saved, caplog):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path, keep=3)
    for step in (2, 4, 6):
        save(store, step, best_step=step, best_epoch=1)
    for step in (4, 6):
        empty(store.path(step) / "model.ckpt.index")
    state = store.newest_state()
    store.set_damaged_aside(state)
    store.link_selected(state)
    assert store.steps() == [2]
    assert [path.name for path in store.folder.glob(".damaged-*")] == [".damaged-step-00000006"]
    assert "step-00000004 is removed" in caplog.text
    v1.train.Saver([variable]).restore(sess, str(tmp_path / "model.ckpt"))
    assert sess.run(variable).tolist() == [2] * 3
    save(store, 4, best_step=4, best_epoch=1)
    save(store, 6, best_step=6, best_epoch=1)
    assert store.steps() == [2, 4, 6]
    assert (store.folder / ".damaged-step-00000006" / "model.ckpt.index").stat().st_size == 0


@pytest.mark.fault(29)
def test_where_the_best_weights_were_lost_the_newest_are_linked(tmp_path, saved, caplog):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path, keep=1)
    for step in (2, 4):
        save(store, step, best_step=2, best_epoch=1)
    cut(next(store.path(2).glob("*.data-*")))
    store.set_damaged_aside(store.newest_state())
    assert "these were the best weights" in caplog.text
    save(store, 6, best_step=2, best_epoch=1)
    v1.train.Saver([variable]).restore(sess, str(tmp_path / "model.ckpt"))
    assert sess.run(variable).tolist() == [6] * 3


def test_checksums_are_of_every_other_file_and_other_files_do_not_matter(tmp_path, saved):
    _, _, save = saved
    folder = save(CheckpointStore(tmp_path), 1)
    sums = json.loads((folder / CHECKSUMS_FILE).read_text())
    assert {*sums, CHECKSUMS_FILE} == {path.name for path in folder.iterdir()}
    assert sums["state.json"]["size"] == (folder / "state.json").stat().st_size
    (folder / ".DS_Store").touch()
    assert find_damage(folder) is None


def test_a_large_file_is_not_held_in_memory(tmp_path):
    with (tmp_path / "data").open("wb") as file:
        file.truncate(50_000_000)
    tracemalloc.start()
    write_checksums(tmp_path)
    assert find_damage(tmp_path) is None
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "text",
    [
        '{"../../outside": {"size": 3, "sha256": ""}}',
        '{"..": {"size": 3, "sha256": ""}}',
        '{"state.json": {"size": NaN, "sha256": ""}}',
        '{"state.json": {"size": 1e999, "sha256": ""}}',
        "{}",
        "[" * 100_000,
        " " * 20_000_000,
        "null",
    ],
)
def test_hostile_checksums_are_damage_and_lead_nowhere(tmp_path, saved, text):
    (tmp_path / "outside").write_text("own")
    _, _, save = saved
    store = CheckpointStore(tmp_path / "run")
    (save(store, 1) / CHECKSUMS_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="no checkpoint can be used: .*checksums.json"):
        store.newest_state()


@pytest.mark.fault(42)
def test_a_pipe_in_a_checkpoint_is_not_waited_for(tmp_path, saved):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    for name in ("state.json", CHECKSUMS_FILE):
        path = save(store, 1) / name
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(CheckpointError, match=f"{name} is not a regular file"):
            store.newest_state()
        shutil.rmtree(path.parent)


@pytest.mark.fault(42)
def test_a_saved_graph_is_never_imported(tmp_path, saved, monkeypatch):
    sess, variable, save = saved
    store = CheckpointStore(tmp_path)
    folder = save(store, 1)
    (folder / "model.ckpt.meta").write_bytes(b"\x08\x01 hostile")
    (folder / "checkpoint").write_text('model_checkpoint_path: "../../../elsewhere"')
    monkeypatch.setattr(v1.train, "import_meta_graph", None)
    monkeypatch.setattr(tf.compat.v1.train, "latest_checkpoint", None)
    restore(sess, [variable], store.path(store.newest_state().global_step))
    assert sess.run(variable).tolist() == [1] * 3


@pytest.mark.fault(30)
@pytest.mark.parametrize("text", [None, "", "garbage", 'model_checkpoint_path: "step-00000099/model.ckpt"'])
def test_no_pointer_file_is_looked_at(tmp_path, saved, text):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    save(store, 7)
    for folder in (tmp_path, store.folder, store.path(7)):
        assert not (folder / "checkpoint").exists()
        if text is not None:
            (folder / "checkpoint").write_text(text)
    assert CheckpointStore(tmp_path).newest_state().global_step == 7


@pytest.mark.fault(37)
def test_a_reader_of_a_running_training_sees_one_complete_checkpoint(tmp_path, saved, caplog):
    _, _, save = saved
    store = CheckpointStore(tmp_path, keep=1)
    stopped, looked = threading.Event(), threading.Event()
    save(store, 1, epoch=1, best_step=1, best_epoch=1)
    seen, failed = [], []

    def read():
        while not stopped.is_set():
            try:
                step, epoch, _ = CheckpointStore(tmp_path).usable()
                values = tf.train.load_checkpoint(str(store.path(step) / "model.ckpt")).get_tensor("w")
                assert values.tolist() == [step] * 3 == [epoch] * 3
                seen.append(step)
            except (tf.errors.OpError, ValueError, RuntimeError) as error:
                if store.path(step).is_dir():  # else it was dropped since, which load_selected tries again
                    failed.append(error)
            except (AssertionError, CheckpointError) as error:
                failed.append(error)
            looked.set()

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(2, 40):
        save(store, step, epoch=step, best_step=step, best_epoch=step)
        if step % 8 == 0:  # on a busy machine the reader may not have had its turn
            for _ in range(2):  # a look that is going on may have begun before this save
                looked.clear()
                assert looked.wait(300)
    stopped.set()
    reader.join()
    assert not failed
    assert len(set(seen)) > 3
    assert not caplog.records


@pytest.mark.fault(29)
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty index"])
def test_damaged_data_is_a_checkpoint_error(tmp_path, saved, damage):
    sess, variable, save = saved
    path = save(CheckpointStore(tmp_path), 1)
    if damage == "missing":
        shutil.rmtree(path)
    elif damage == "truncated":
        data = next(path.glob("*.data-*"))
        data.write_bytes(data.read_bytes()[:5])
    else:
        next(path.glob("*.index")).write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot read the checkpoint .*; move its folder away"):
        restore(sess, [variable], path)


@pytest.mark.fault(29)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE])
def test_a_checkpoint_without_read_permission_is_not_damaged(tmp_path, saved, monkeypatch, number):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    save(store, 1)
    save(store, 2)

    def refuse(path):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("learning.checkpoints.checksums.file_digest", refuse)
    with pytest.raises(StorageError, match=f"cannot read .*: {os.strerror(number)}; nothing is known to be"):
        store.newest_state()


@pytest.mark.fault(25)
def test_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in .*; choose another run"):
        CheckpointStore(tmp_path).newest_state()


class TestState:
    def test_round_trip_to_the_bit(self):
        values = [0.1, 1 / 3, 1e-300, math.inf, -0.0]
        history = [{"step": 4, "val_score": None}]
        state = TrainingState(step_losses=values, history=history, cursor={"index_in_epoch": 3})
        again = TrainingState.from_json(state.to_json(), "here")
        assert list(map(repr, again.step_losses)) == list(map(repr, values))
        assert (again.history, again.cursor) == (state.history, state.cursor)
        assert math.isnan(again.best_score)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{",
            '{"epoch": "three"}',
            '{"other": 1}',
            "[" * 100_000,
            '{"epoch": null}',
            '{"best_score": NaN}',
            '{"epoch": 1e999}',
            '{"epoch": true}',
            '{"step_losses": [0.5, "../x"]}',
            '{"history": [1]}',
            '{"best_score": {"float": []}}',
        ],
    )
    @pytest.mark.fault(42)
    def test_anything_else_is_refused(self, text):
        with pytest.raises(CheckpointError, match="here"):
            TrainingState.from_json(text, "here")

    @pytest.mark.fault(42)
    def test_a_huge_text_is_refused_unread(self, monkeypatch, tmp_path):
        monkeypatch.setattr("learning.checkpoints.state.MAX_BYTES", 10)
        with pytest.raises(CheckpointError, match="larger than 10 bytes"):
            TrainingState.from_json(" " * 11, "here")
        with (tmp_path / "state.json").open("wb") as file:
            file.truncate(2**40)  # a hole, which takes no room
        with pytest.raises(ValueError, match="state.json is larger than 10 bytes"):
            read_text(tmp_path / "state.json", 10)

    def test_end_of_epoch_by_hand(self):
        state = TrainingState(global_step=4, step_losses=[9.0, 1.0, 2.0])
        state.end_epoch(0.5, 0.7, 0.1, 2, improved=True)
        state.global_step = 6
        state.end_epoch(0.6, 0.6, 0.1, 2, improved=False)
        assert (state.best_score, state.best_epoch, state.best_step) == (0.7, 1, 4)
        assert state.num_bad_epochs == 1
        assert state.history[0]["train_loss"] == 1.5


def test_the_store_reads_only_its_folders(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in (
        "step-x",
        ".writing-step-00000003",
        "checkpoint",
        "step-9",
        "step-000000009",
        "step-0000000²",
    ):
        (tmp_path / "checkpoints" / name).mkdir()
    (tmp_path / "checkpoints" / "step-00000009").write_text("a file")
    (tmp_path / "checkpoints" / "step-00000010").symlink_to("nowhere")
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        CheckpointStore(tmp_path).newest_state()
    assert CheckpointStore(tmp_path).steps() == []
    assert PREFIX == "model.ckpt"
