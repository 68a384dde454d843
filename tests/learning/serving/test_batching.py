"""learning/serving/batching.py: items that wait together are one batch, and nothing is lost."""

import threading
from concurrent.futures import CancelledError

import pytest

from learning.serving import batching
from learning.serving.batching import Batcher


class Doubling:
    """Doubles numbers, and notes its batches; the first waits for `go_on`. -1 is an error."""

    def __init__(self):
        self.batches, self.has_begun, self.go_on = [], threading.Event(), threading.Event()

    def __call__(self, items):
        self.batches.append(items)
        self.has_begun.set()
        assert self.go_on.wait(600)
        if -1 in items:
            raise ValueError("it is -1")
        return [2 * item for item in items]


@pytest.fixture
def double():
    return Doubling()


@pytest.fixture
def batcher(double):
    batcher = Batcher(double, batch_size=3)
    yield batcher
    double.go_on.set()
    batcher.close()


def begin(batcher, double):
    """Let the thread be busy with an item of its own."""
    first = batcher.submit(0)
    assert double.has_begun.wait(600)
    return first


def test_items_that_wait_are_computed_together_up_to_the_batch_size(batcher, double):
    futures = [begin(batcher, double), *(batcher.submit(item) for item in range(1, 6))]
    double.go_on.set()
    assert [future.result() for future in futures] == [0, 2, 4, 6, 8, 10]
    assert double.batches == [[0], [1, 2, 3], [4, 5]]


def test_a_batch_that_fails_does_not_fail_the_others(batcher, double):
    begin(batcher, double)
    bad, good = [batcher.submit(item) for item in (-1, 1, 2)], batcher.submit(3)
    double.go_on.set()
    for future in bad:
        with pytest.raises(ValueError, match="it is -1"):
            future.result()
    assert good.result() == 6


def test_a_result_too_few_is_an_error():
    batcher = Batcher(lambda items: [], batch_size=1)
    with pytest.raises(ValueError):
        batcher.submit(1).result()
    batcher.close()


def test_what_nobody_waits_for_is_not_computed(batcher, double):
    begin(batcher, double)
    dropped, kept = batcher.submit(1), batcher.submit(2)
    dropped.cancel()
    double.go_on.set()
    assert kept.result() == 4
    assert double.batches == [[0], [2]]
    with pytest.raises(CancelledError):
        dropped.result()


def test_closing_computes_what_is_queued(batcher, double):
    futures = [begin(batcher, double), *(batcher.submit(item) for item in range(1, 6))]
    double.go_on.set()
    batcher.close()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(1)


def test_a_batch_waits_for_items_that_are_expected(batcher, double, monkeypatch):
    monkeypatch.setattr(batching, "LINGER", 3600)
    double.go_on.set()
    with batcher.expecting(), batcher.expecting():
        futures = [batcher.submit(1), batcher.submit(2)]
    assert [future.result() for future in futures] == [2, 4]
    with batcher.expecting():
        futures = [batcher.submit(item) for item in (3, 4, 5)]  # the batch is full
        assert [future.result() for future in futures] == [6, 8, 10]
    assert double.batches == [[1, 2], [3, 4, 5]]


def test_an_item_that_is_expected_and_never_comes_holds_nothing_up_for_long(batcher, double):
    double.go_on.set()
    with batcher.expecting():
        assert batcher.submit(1).result() == 2
