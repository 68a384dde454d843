"""learning/callbacks.py: what a callback sees, that it changes nothing, and what happens when it fails."""

import dataclasses
import errno
import logging
import os
import signal

import numpy as np
import pytest

from learning.callbacks import Callback
from learning.checkpoints.store import CheckpointStore
from learning.errors import Interrupted, NonFiniteError, StorageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from learning.training.record import History
from tests.conftest import make_set, sessions, tiny_model

pytestmark = pytest.mark.usefixtures("without_pictures")

HP = {
    "batch_size": 16,
    "num_epochs": 2,
    "init_learning_rate": 0.05,
    "augment_pred": False,
}  # of three updates


class Noting(Callback):
    """Notes the name of every event and what was seen."""

    def __init__(self):
        self.seen = []

    def on_start(self, training):
        self.seen.append(("on_start", training))

    def on_step(self, training):
        self.seen.append(("on_step", training))

    def on_epoch(self, training):
        self.seen.append(("on_epoch", training))

    def on_stop(self, training):
        self.seen.append(("on_stop", training))

    @property
    def events(self):
        return [event for event, _ in self.seen]


class Failing(Callback):
    """Raises an error once, at one event after some updates."""

    def __init__(self, event, step=0, error=None):
        self.error = error or ZeroDivisionError("mine")
        setattr(self, event, self._fail)
        self._step = step

    def _fail(self, training):
        if training.global_step == self._step:
            raise self.error


def train_in(folder, session, *callbacks, **options):
    """Train a tiny net with callbacks; returns the optimizer and the results."""
    model = tiny_model(dropout_prob=0.3)
    hp = {**HP, **{key: options.pop(key) for key in HP.keys() & options.keys()}}
    optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), make_set(20, seed=1), **hp)
    options = {"verbose": False, "details": True, **options}
    return optimizer, optimizer.train(session(model), folder, callbacks=callbacks, **options)


@pytest.fixture
def train(session, tmp_path):
    """Train in the directory `run`."""
    return lambda *callbacks, name="run", **options: train_in(tmp_path / name, session, *callbacks, **options)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run without callbacks: the optimizer and the results."""
    with sessions() as open_session:
        yield train_in(tmp_path_factory.mktemp("plain"), open_session)


EPOCH = ["on_step"] * 3 + ["on_epoch"]


class TestWhatIsSeen:
    def test_every_event_comes_with_its_data(self, train, tmp_path):
        noting = Noting()
        optimizer, results = train(noting)
        assert noting.events == ["on_start", *EPOCH, *EPOCH, "on_stop"]
        steps = [training for event, training in noting.seen if event == "on_step"]
        assert [training.global_step for training in steps] == [1, 2, 3, 4, 5, 6]
        assert [training.epoch for training in steps] == [0, 0, 0, 1, 1, 1]
        assert [training.loss for training in steps] == results["step_losses"]
        assert {training.learning_rate for training in steps} == {0.05}
        epochs = [training for event, training in noting.seen if event == "on_epoch"]
        assert [list(map(dict, training.history)) for training in epochs] == [
            optimizer.state.history[:1],
            optimizer.state.history,
        ]
        assert [training.score for training in epochs] == results["eval_scores"]
        assert epochs[0].improved
        (_, start), (_, stop) = noting.seen[0], noting.seen[-1]
        assert (start.stopped, stop.stopped) == (None, "finished")
        assert (start.resumed, start.global_step, start.steps_per_epoch, start.total_steps) == (
            False,
            0,
            3,
            6,
        )
        assert (start.save_dir, start.model, start.config) == (
            tmp_path / "run",
            optimizer.model,
            optimizer.config,
        )
        assert start.sess.run(start.model.global_step) == 6
        assert stop.best_epoch == optimizer.state.best_epoch
        assert stop.machines[0]["from_step"] == 0

    def test_an_epoch_is_saved_before_its_event(self, train, tmp_path):
        class Looking(Callback):
            def on_epoch(self, training):
                found.append(CheckpointStore(training.save_dir).newest_state().epoch)

        found = []
        train(Looking())
        assert found == [1, 2]

    def test_callbacks_see_whether_a_run_is_resumed_or_finished(self, train):
        train(num_epochs=1)
        resumed, finished = Noting(), Noting()
        train(resumed, resume=True)
        train(finished, resume=True)
        assert resumed.events == ["on_start", *EPOCH, "on_stop"]
        start = resumed.seen[0][1]
        assert (start.resumed, start.global_step, start.epoch, start.stopped) == (True, 3, 1, None)
        assert finished.events == ["on_start", "on_stop"]
        assert [training.stopped for _, training in finished.seen] == ["finished", "finished"]

    def test_callbacks_see_how_training_stopped(self, train):
        class Signalling(Callback):
            def on_step(self, training):
                os.kill(os.getpid(), signal.SIGTERM)

        interrupted, failed = Noting(), Noting()
        with pytest.raises(Interrupted):
            train(Signalling(), interrupted)
        assert interrupted.events == ["on_start", "on_step", "on_stop"]
        assert interrupted.seen[-1][1].stopped == "interrupted"
        with pytest.raises(NonFiniteError):
            train(failed, name="failed", init_learning_rate=1e38)
        assert failed.seen[-1][1].stopped == "failed"

    def test_lines_are_printed_only_if_training_is_verbose(self, train, capsys):
        class Saying(Callback):
            def on_epoch(self, training):
                training.say(f"[{training.epoch}] is [bold]done[/bold] :cat:")

        train(Saying(), num_epochs=1)
        assert capsys.readouterr().out == ""
        train(Saying(), num_epochs=1, verbose=True, name="verbose")
        assert capsys.readouterr().out.splitlines()[-1] == "[1] is [bold]done[/bold] :cat:"

    def test_only_a_traced_update_has_stats(self, train, plain):
        class Tracing(Noting):
            def on_step(self, training):
                super().on_step(training)
                if training.global_step == 2:
                    training.trace_next_step()

        tracing = Tracing()
        assert train(tracing)[1] == plain[1]
        traced = [training.global_step for _, training in tracing.seen if training.step_stats is not None]
        assert set(traced) == {3}


class TestNothingIsChanged:
    def test_callbacks_do_not_change_the_numbers(self, train, plain):
        class Reading(Callback):
            def on_step(self, training):
                training.sess.run(training.model.trainable_variables)
                training.model.predict(training.sess, make_set(5))
                np.random.default_rng().random()

        optimizer, results = train(Reading())
        assert results == plain[1]
        assert optimizer.state == plain[0].state

    def test_callbacks_cannot_change_what_they_see(self, train, plain):
        class Changing(Callback):
            def on_epoch(self, training):
                for name in [field.name for field in dataclasses.fields(training)] + ["score"]:
                    with pytest.raises(AttributeError):
                        setattr(training, name, None)
                for rows in (training.history, training.machines):
                    with pytest.raises(TypeError):
                        rows[0]["epoch"] = 7
                tried.append(training.epoch)

        tried = []
        assert train(Changing())[1] == plain[1]
        assert tried == [1, 2]

    def test_a_snapshot_stays_as_it_was(self, train):
        noting = Noting()
        train(noting)
        assert len(noting.seen[4][1].history) == 1  # of the first epoch


class TestFailures:
    @pytest.mark.parametrize(
        ("event", "step", "saved"),
        [("on_step", 2, 2), ("on_step", 3, 3), ("on_epoch", 3, 3), ("on_stop", 6, 6)],
    )
    def test_an_error_ends_training_after_the_checkpoint_and_the_run_can_be_resumed(
        self, train, plain, tmp_path, event, step, saved
    ):
        failing, noting = Failing(event, step), Noting()
        with pytest.raises(ZeroDivisionError, match="mine") as raised:
            train(failing, noting)
        assert raised.traceback[-1].name == "_fail"  # where it was raised
        state = CheckpointStore(tmp_path / "run").newest_state()
        assert (state.global_step, state.epoch) == (saved, saved // 3)
        assert noting.events[-1] == "on_stop"
        assert noting.seen[-1][1].stopped == ("finished" if event == "on_stop" else "failed")
        resumed, results = train(resume=True)
        assert results == plain[1]
        assert resumed.state == plain[0].state
        histories = [
            (folder / "history.csv").read_bytes() for folder in (tmp_path / "run", plain[0].save_dir)
        ]
        assert histories[0] == histories[1]

    def test_the_other_callbacks_are_called_too(self, train, tmp_path):
        before, after = Noting(), Noting()
        with pytest.raises(ZeroDivisionError):
            train(before, Failing("on_step", 3), after)
        assert before.events == after.events == ["on_start", *EPOCH, "on_stop"]
        assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 1 + 1

    def test_the_first_error_counts_and_a_further_one_is_logged(self, train, caplog):
        with (
            caplog.at_level(logging.WARNING),
            pytest.raises(ZeroDivisionError, match="mine"),
        ):
            train(Failing("on_step", 2), Failing("on_stop", 2, KeyError("other")))
        assert "Failing.on_stop failed too: 'other'" in caplog.text

    def test_an_error_of_training_counts_more(self, train, caplog):
        with caplog.at_level(logging.WARNING), pytest.raises(NonFiniteError):
            train(Failing("on_stop", 1), init_learning_rate=1e38)
        assert "Failing.on_stop failed too: mine" in caplog.text

    def test_an_error_at_the_start_comes_before_the_first_update(self, train, tmp_path):
        first, later = Noting(), Noting()
        with pytest.raises(ZeroDivisionError):
            train(first, Failing("on_start"), later)
        assert first.events == ["on_start", "on_stop"]
        assert later.events == ["on_stop"]
        assert CheckpointStore(tmp_path / "run").steps() == []
        train()  # the directory can be used

    @pytest.mark.fault(33)
    @pytest.mark.parametrize(("event", "step"), [("on_start", 0), ("on_step", 2), ("on_epoch", 3)])
    def test_a_full_disk_is_a_failure_of_storage(self, train, event, step):
        saved = f"the checkpoint of update {step} is saved; make room and resume"
        message = f"cannot write in .*: No space left .*; {saved if step else 'make room'}"
        with pytest.raises(StorageError, match=message) as raised:
            train(Failing(event, step, OSError(errno.ENOSPC, "No space left on device")))
        assert isinstance(raised.value.__cause__, OSError)

    def test_a_file_that_is_missing_is_the_callbacks_own_error(self, train):
        with pytest.raises(FileNotFoundError):
            train(Failing("on_step", 1, FileNotFoundError(errno.ENOENT, "No such file", "mine.txt")))

    def test_an_error_in_the_projects_own_callback_does_not_hide_an_epoch_from_others(
        self, train, monkeypatch
    ):
        noting = Noting()
        monkeypatch.setattr(History, "on_epoch", Failing("on_epoch", 3)._fail)
        with pytest.raises(ZeroDivisionError):
            train(noting)
        assert noting.events == ["on_start", *EPOCH, "on_stop"]
