"""The losses of all updates: written once, exact after a resume, and not needed for one."""

import errno
import json
import math
import os
import struct
from pathlib import Path

import pytest

from learning.checkpoints.state import TrainingState
from learning.checkpoints.step_losses import LossFile
from learning.checkpoints.store import CheckpointStore
from learning.errors import CheckpointError, StorageError
from tests.support.tiny_training import assert_same_state, train

pytestmark = pytest.mark.usefixtures("without_pictures")

STEPS = 4  # updates of an epoch of `train`


def state_of(values, num_epochs):
    """Return a state whose last `len(values) - 2 * num_epochs` losses belong to an unfinished epoch."""
    history = [{"epoch": epoch, "step": 2 * epoch} for epoch in range(1, num_epochs + 1)]
    return TrainingState(global_step=len(values), step_losses=list(values), history=history)


def doubles(path):
    """Read the file as another program would."""
    return [value for (value,) in struct.iter_unpack("<d", path.read_bytes())]


def test_each_loss_is_written_once_to_the_file_or_the_checkpoint(tmp_path):
    values = [0.1, 1 / 3, -0.0, 1e-300, 7.0]
    file = LossFile(tmp_path / "losses")
    first = file.put(state_of(values[:3], 1))
    assert (doubles(file.path), first.step_losses) == (values[:2], values[2:3])
    before = file.path.read_bytes()
    second = file.put(state_of(values, 2))
    assert file.path.read_bytes()[:16] == before
    assert (doubles(file.path), second.step_losses) == (values[:4], values[4:])
    for saved, expected in ((first, values[:3]), (second, values)):
        LossFile(tmp_path / "losses").fetch(saved)
        assert list(map(repr, saved.step_losses)) == list(map(repr, expected))
        assert saved.earlier_losses == {}


def test_losses_after_an_older_checkpoint_are_overwritten(tmp_path):
    file = LossFile(tmp_path / "losses")
    older = file.put(state_of([1.0, 2.0], 1))
    file.put(state_of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3))
    resumed = LossFile(tmp_path / "losses")
    resumed.fetch(older)
    resumed.put(state_of([1.0, 2.0, 3.5, 4.5], 2))
    assert doubles(file.path) == [1.0, 2.0, 3.5, 4.5]


@pytest.mark.fault(29)
@pytest.mark.parametrize("damage", ["missing", "short", "flipped", "a folder"])
def test_lost_losses_become_nan_with_a_message(tmp_path, caplog, damage):
    path = tmp_path / "losses"
    saved = LossFile(path).put(state_of([1.0, 2.0, 3.0], 1))
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(content[:-1] if damage == "short" else content[:-1] + bytes([content[-1] ^ 1]))
    LossFile(path).fetch(saved)
    assert list(map(repr, saved.step_losses)) == ["nan", "nan", "3.0"]
    (record,) = caplog.records
    assert f"{path} is missing or damaged: the losses of updates 1 to 2 are lost" in record.getMessage()
    aside = path.with_name(".damaged-losses")  # the new losses do not overwrite it
    assert (path.exists(), aside.exists()) == (False, damage != "missing")
    if damage == "flipped":
        assert doubles(aside)[0] == 1.0


@pytest.mark.fault(29)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_losses_that_cannot_be_read_now_are_kept(tmp_path, monkeypatch, number):
    path = tmp_path / "losses"
    saved = LossFile(path).put(state_of([1.0, 2.0, 3.0], 1))

    def refuse(self, *arguments):
        raise OSError(number, os.strerror(number), str(self))

    for call in ("open", "lstat"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, call, refuse)
            with pytest.raises(StorageError, match="nothing is known to be damaged"):
                LossFile(path).fetch(saved)
    LossFile(path).fetch(saved)
    assert saved.step_losses == [1.0, 2.0, 3.0]


@pytest.mark.fault(42)
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_losses_are_read_and_written_only_through_regular_files(tmp_path, kind):
    path, outside = tmp_path / "losses", tmp_path / "outside"
    saved = LossFile(outside).put(state_of([1.0, 2.0], 1))
    content = outside.read_bytes()
    path.symlink_to(outside) if kind == "link" else os.mkfifo(path)
    LossFile(path).fetch(saved)
    assert all(map(math.isnan, saved.step_losses))
    LossFile(path).put(state_of([3.0, 4.0], 1))
    assert (doubles(path), path.is_symlink()) == ([3.0, 4.0], False)
    assert outside.read_bytes() == content


@pytest.mark.fault(29)
def test_a_run_without_its_losses_resumes_to_the_same_weights(session, tmp_path):
    whole = train(session, tmp_path / "whole", num_epochs=3)
    train(session, tmp_path / "run", num_epochs=2)
    path = CheckpointStore(tmp_path / "run").losses.path
    assert len(doubles(path)) == 2 * STEPS
    path.unlink()
    optimizer, sess, results = train(session, tmp_path / "run", num_epochs=3, resume=True)
    assert all(map(math.isnan, results["step_losses"][: 2 * STEPS]))
    assert results["step_losses"][2 * STEPS :] == whole[2]["step_losses"][2 * STEPS :]
    optimizer.state.step_losses = results["step_losses"] = whole[2]["step_losses"]
    assert_same_state((optimizer, sess, results), whole)
    assert len(doubles(path)) == 3 * STEPS


@pytest.mark.fault(27)
def test_a_run_of_an_earlier_version_resumes_to_the_same_bits(session, tmp_path):
    whole = train(session, tmp_path / "whole", num_epochs=3, save_every_steps=3)
    train(session, tmp_path / "run", num_epochs=2, save_every_steps=3)
    store = CheckpointStore(tmp_path / "run")
    assert json.loads((store.path(8) / "state.json").read_text())["step_losses"] == []
    for step in store.steps():  # every loss was in each checkpoint, which had no checksums once
        state = store.read_state(step)
        store.losses.fetch(state)
        values = json.loads(state.to_json())
        del values["earlier_losses"]
        (store.path(step) / "state.json").write_text(json.dumps(values))
        (store.path(step) / "checksums.json").unlink()
    store.losses.path.unlink()
    assert_same_state(train(session, tmp_path / "run", num_epochs=3, save_every_steps=3, resume=True), whole)
    assert doubles(store.losses.path) == whole[2]["step_losses"]


@pytest.mark.fault(28, 33)
def test_losses_are_on_the_disk_before_the_checkpoint_and_a_failure_loses_none(tmp_path, monkeypatch):
    file = LossFile(tmp_path / "losses")
    saved = file.put(state_of([1.0, 2.0], 1))
    synced = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: synced.append(1) or fail())
        with pytest.raises(OSError, match="full"):
            file.put(state_of([1.0, 2.0, 3.0, 4.0], 2))
    assert synced
    LossFile(tmp_path / "losses").fetch(saved)
    assert saved.step_losses == [1.0, 2.0]
    file.put(state_of([1.0, 2.0, 3.0, 4.0], 2))  # there is room again
    assert doubles(file.path) == [1.0, 2.0, 3.0, 4.0]


def fail():
    raise OSError(28, "full")


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "earlier",
    ['{"count": 9, "crc32": 0}', '{"count": -1, "crc32": 0}', '{"count": "1", "crc32": 0}', '{"x": 1}'],
)
def test_an_impossible_number_of_earlier_losses_is_refused(earlier):
    with pytest.raises(CheckpointError, match="here: earlier_losses is"):
        TrainingState.from_json(f'{{"global_step": 8, "earlier_losses": {earlier}}}', "here")


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    ("global_step", "count", "step"),
    [(10**15, 10**15, 10**15), (10**15, 10**15, 8), (8, 4, 8), (9, 8, 8), (8, 8, "x"), (8, 8, None)],
)
def test_earlier_losses_that_do_not_fit_the_history_are_refused(global_step, count, step):
    values = {
        "global_step": global_step,
        "history": [{"epoch": 1, "step": step}],
        "earlier_losses": {"count": count, "crc32": 0},
    }
    with pytest.raises(CheckpointError, match=r"here: (earlier_losses is|history holds)"):
        TrainingState.from_json(json.dumps(values), "here")


@pytest.mark.fault(42)
def test_a_history_with_other_values_than_numbers_is_refused():
    with pytest.raises(CheckpointError, match="here: history holds"):
        TrainingState.from_json('{"history": [{"step": 4, "val_score": [1]}]}', "here")
