"""learning/training/console.py: the output of training; a failing stream does not stop it."""

import io
import sys

import pytest

from datasets.cache.build import DecodeBar
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from learning.training.console import ConsoleProgress
from tests.conftest import make_set, tiny_model

pytestmark = pytest.mark.usefixtures("without_pictures")


class FailingStream(io.StringIO):
    """A terminal or file that refuses every write."""

    def __init__(self, error, *, is_terminal):
        super().__init__()
        self._error, self._is_terminal = error, is_terminal

    def isatty(self):
        return self._is_terminal

    def write(self, text):
        raise self._error


@pytest.mark.fault(46)
@pytest.mark.parametrize("is_terminal", [False, True], ids=["file", "terminal"])
@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(5, "Input/output error"), ValueError("closed file")]
)
def test_a_failing_stream_does_not_stop_training(tmp_path, monkeypatch, session, error, is_terminal):
    monkeypatch.setattr(sys, "stdout", FailingStream(error, is_terminal=is_terminal))
    model = tiny_model()
    optimizer = MomentumOptimizer(model, make_set(), AccuracyEvaluator(), batch_size=8, num_epochs=2)
    optimizer.train(session(model), tmp_path)
    assert optimizer.state.epoch == 2
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 2


class Tee:
    """The smallest object that a program could use as standard output."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.fault(46)
def test_a_stream_that_can_only_be_written_is_enough(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Tee())
    ConsoleProgress().say("caf\u00e9")
    with DecodeBar(3) as bar:
        bar.advance(3)
    assert sys.stdout.text == "caf\u00e9\n"


@pytest.mark.fault(46)
def test_a_letter_that_the_stream_lacks_is_escaped_and_without_a_stream_nothing_is_shown(
    tmp_path, monkeypatch, session
):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, "ascii"))
    ConsoleProgress().say("caf\u00e9 \udce9")
    sys.stdout.flush()
    assert buffer.getvalue() == b"caf\\xe9 \\udce9\n"
    monkeypatch.setattr(sys, "stdout", None)
    model = tiny_model()
    optimizer = MomentumOptimizer(model, make_set(), AccuracyEvaluator(), batch_size=8, num_epochs=1)
    optimizer.train(session(model), tmp_path)
