"""learning/tracking/page.py: when the page of a run is written while it trains."""

import logging
from types import SimpleNamespace

import pytest

from learning.callbacks import Callback
from learning.config.run_config import RunConfig
from learning.errors import Interrupted
from learning.fit import fit
from learning.tracking import page
from learning.tracking.page import RunPage
from tests.support.pages import history, make_run, read_page


class Clock:
    """The time, which only moves when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(page.time, "perf_counter", lambda: self.now)


def train(callback, clock, folder, *, epochs, seconds):
    """Let epochs of so many seconds pass; return the seconds of all, and those that the callback took."""
    start, spent = clock.now, 0.0
    callback.on_start(training(folder))
    for _ in range(epochs):
        clock.now += seconds
        before = clock.now
        callback.on_epoch(training(folder))
        spent += clock.now - before
    return clock.now - start, spent


def training(folder, *, stopped=None, epochs=3):
    rows = history(epochs)
    return SimpleNamespace(save_dir=folder, stopped=stopped, history=rows)


@pytest.fixture
def written(monkeypatch):
    """The folders whose pages are written."""
    found = []
    monkeypatch.setattr(RunPage, "_write", lambda self, training: found.append(training.save_dir))
    return found


def test_pages_take_at_most_a_hundredth_of_the_time(written, monkeypatch, tmp_path):
    clock = Clock(monkeypatch)
    train(RunPage(), clock, tmp_path, epochs=1000, seconds=1)
    # the first after 20 s, since it may take 0.2 s; they take no time by this clock
    assert len(written) == 981
    slow = RunPage()
    slow._write = lambda training: setattr(clock, "now", clock.now + 2)
    whole, spent = train(slow, clock, tmp_path, epochs=1000, seconds=1)
    assert 0.005 < spent / whole < 0.012


def test_long_epochs_have_a_page_each(written, monkeypatch, tmp_path):
    train(RunPage(), Clock(monkeypatch), tmp_path, epochs=3, seconds=60)
    assert len(written) == 3


def test_a_run_that_did_not_finish_always_has_one(written, tmp_path):
    for stopped in ("interrupted", "failed", "finished"):
        RunPage().on_stop(training(tmp_path / stopped, stopped=stopped))
    RunPage().on_stop(training(tmp_path, stopped="failed", epochs=0))  # there is no epoch to show
    assert [folder.name for folder in written] == ["interrupted", "failed"]


def test_a_page_that_cannot_be_written_is_said_once(tmp_path, monkeypatch, caplog):
    run = make_run(tmp_path / "run", rows=history(3))
    (run / "test.json").write_text("{")
    callback = RunPage()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            callback.on_stop(training(run, stopped="interrupted"))
    assert caplog.text.count("the page of the run cannot be written") == 1
    assert "test.json" in caplog.text


class Stop(Callback):
    """Ends training in its second epoch, as a signal does."""

    def on_epoch(self, training):
        if training.epoch == 2:
            raise Interrupted(2, "stopped by a test")


def test_an_interrupted_run_has_a_page(tmp_path, without_pictures):
    values = {
        "data": {"name": "digits", "image_size": 12, "crop_size": 10},
        "model": {"name": "smallnet", "options": {"width": 2}},
        "train": {"batch_size": 512, "num_epochs": 3, "threads": 1},
    }
    config = RunConfig.from_dict(values)
    with pytest.raises(Interrupted):
        fit(config, tmp_path / "run", verbose=False, callbacks=[Stop()])
    text = " ".join(read_page(tmp_path / "run" / "index.html").text)
    assert "Training is at epoch 2 of 3; train.py --resume continues it" in text
    fit(config, tmp_path / "run", resume=True, verbose=False)
    text = " ".join(read_page(tmp_path / "run" / "index.html").text)
    assert "Training is at" not in text
    assert "validation, cross-entropy" in text and "training images, a whole pass" in text
