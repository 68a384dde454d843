"""Checkpoints as one atomic unit, and the state in them."""

import errno
import math
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning import checkpoints
from learning.checkpoints import CheckpointStore, restore
from learning.errors import CheckpointError, StorageError
from learning.state import TrainingState


@pytest.fixture
def saved():
    """A session with one variable, its saver, and a function that sets the variable and saves."""
    with tf.Graph().as_default():
        variable = v1.get_variable("w", [3], tf.float32, v1.zeros_initializer(), use_resource=True)
        saver = v1.train.Saver([variable], max_to_keep=None)
        with v1.Session() as sess:

            def save(store, step, **state):
                variable.load([step] * 3, sess)
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
    """Stands for the end of the process."""


@pytest.mark.parametrize("number", range(8))
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
    newest = CheckpointStore(tmp_path).newest_state().global_step
    restore(sess, [variable], store.path(newest))
    assert sess.run(variable).tolist() == [newest] * 3
    save(store, 3, best_step=3, best_epoch=3)
    assert store.steps() == [3]
    assert not list(store.folder.glob(".*"))


def test_a_save_that_fails_says_so_and_keeps_the_earlier_one(tmp_path, saved, monkeypatch):
    _, _, save = saved
    store = CheckpointStore(tmp_path)
    save(store, 4)

    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_text", full)
    with pytest.raises(StorageError, match=r"No space left on device \(\d+ MiB free\); the earlier ones are"):
        save(store, 5)
    assert store.steps() == [4]


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
    with pytest.raises(CheckpointError, match="cannot read the checkpoint .*; remove its folder"):
        restore(sess, [variable], path)


def test_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in .*; choose another run"):
        CheckpointStore(tmp_path).newest_state()


class TestState:
    def test_round_trip_to_the_bit(self):
        values = [0.1, 1 / 3, 1e-300, math.inf, -0.0]
        state = TrainingState(step_losses=values, history=[{"val_score": None}], cursor={"index_in_epoch": 3})
        again = TrainingState.from_json(state.to_json(), "here")
        assert list(map(repr, again.step_losses)) == list(map(repr, values))
        assert (again.history, again.cursor) == (state.history, state.cursor)
        assert math.isnan(again.best_score)

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", '{"epoch": "three"}', '{"other": 1}', "[" * 100_000, '{"epoch": null}']
    )
    def test_anything_else_is_refused(self, text):
        with pytest.raises(CheckpointError, match="here"):
            TrainingState.from_json(text, "here")

    def test_a_huge_text_is_refused_unread(self, monkeypatch):
        monkeypatch.setattr("learning.state.MAX_BYTES", 10)
        with pytest.raises(CheckpointError, match="larger than 10 bytes"):
            TrainingState.from_json(" " * 11, "here")

    def test_end_of_epoch_by_hand(self):
        state = TrainingState(global_step=4, step_losses=[9.0, 1.0, 2.0])
        state.end_epoch(0.5, 0.7, 0.1, 2, improved=True)
        state.global_step = 6
        state.end_epoch(0.6, 0.6, 0.1, 2, improved=False)
        assert (state.best_score, state.best_epoch, state.best_step) == (0.7, 1, 4)
        assert state.num_bad_epochs == 1
        assert state.history[0]["train_loss"] == 1.5


def test_the_store_reads_nothing_but_its_folders(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("step-x", ".writing-step-00000003", "checkpoint"):
        (tmp_path / "checkpoints" / name).mkdir()
    assert CheckpointStore(tmp_path).steps() == []
    assert checkpoints.PREFIX == "model.ckpt"
