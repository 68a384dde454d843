"""benchmarks/harness/turns.py: the order and length of turns, and contestants that fail."""

import os
import pickle
import signal
import time
from functools import partial

import pytest

from benchmarks.harness import turns
from benchmarks.harness.turns import PROJECT, Contestant, in_turns, measure, take_turn
from datasets.errors import DataError


def test_after_two_rounds_all_have_had_the_same_mean_position():
    names = ["a", "b", "c", "d", "e"]
    orders = [in_turns(names, number) for number in range(10)]
    assert all(sorted(order) == names for order in orders)
    for first in range(0, 10, 2):
        positions = [orders[first].index(name) + orders[first + 1].index(name) for name in names]
        assert positions == [4] * 5
    assert {order[0] for order in orders[::2]} == set(names)


def counting(calls, name, images=1):
    """Return a step that appends its name to `calls`."""

    def step():
        calls.append(name)
        return images

    return step


def failing(error):
    """Builds nothing."""
    raise error


def leaving():
    """Ends the process in the middle of the work."""
    os._exit(7)


def stopping(steps, ending):
    """Steps for so many times, then ends."""
    left = [steps]

    def step():
        if left[0] == 0:
            ending()
        left[0] -= 1
        return 1

    return step


def refuse():
    raise DataError("no more\nof this")


class Unpicklable(Exception):
    def __reduce__(self):
        raise pickle.PicklingError("cannot be sent")


def here(contestants, **options):
    return measure(contestants, **{"rounds": 1, "seconds": 0.0, "in_processes": False, **options})


def test_the_first_turn_rotates_and_every_second_round_is_reversed():
    calls = []
    contestants = {name: Contestant(counting, (calls, name)) for name in (PROJECT, "b", "c")}
    rates, failures = here(contestants, rounds=4, warm_steps=2)
    assert "".join(name[0] for name in calls) == "ppbbcc" + "pbc" + "cbp" + "bcp" + "pcb"
    assert {name: len(values) for name, values in rates.items()} == {PROJECT: 4, "b": 4, "c": 4}
    assert failures == {}


def test_progress_is_printed(capsys):
    here({PROJECT: Contestant(counting, ([], PROJECT))}, rounds=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "project: building"
    assert [line.split(":")[0] for line in lines[1:]] == ["round 1", "round 2"]


def test_a_turn_lasts_as_long_as_asked_for_and_ends_with_a_whole_step():
    times = iter([100.0, 101.0, 102.5, 104.0])  # at the start, and after each step
    assert take_turn(counting([], "x", images=32), 3.0, lambda: next(times)) == (96, 4.0)


def test_a_turn_has_at_least_one_step():
    times = iter([0.0, 5.0])
    assert take_turn(counting([], "x", images=8), 0.0, lambda: next(times)) == (8, 5.0)


def test_a_peer_that_fails_is_left_out_with_the_first_line_of_its_reason():
    rates, failures = here(
        {
            PROJECT: Contestant(counting, ([], PROJECT)),
            "peer": Contestant(failing, (ModuleNotFoundError("No module named 'peer'\nmore"),)),
        }
    )
    assert list(rates) == [PROJECT]
    assert failures == {"peer": "ModuleNotFoundError: No module named 'peer'"}


def test_a_peer_that_fails_later_is_left_out_with_its_rates_and_the_others_go_on(capsys):
    calls = []
    rates, failures = here(
        {
            PROJECT: Contestant(counting, (calls, PROJECT)),
            "failing": Contestant(stopping, (1, refuse)),
            "lasting": Contestant(counting, (calls, "lasting")),
        },
        rounds=3,
        warm_steps=0,
    )
    lines = capsys.readouterr().out.splitlines()
    assert {name: len(values) for name, values in rates.items()} == {PROJECT: 3, "lasting": 3}
    assert failures == {"failing": "DataError: no more"}
    assert "failing: left out, DataError: no more" in lines
    assert "failing" not in lines[-1]


def test_what_fails_later_in_the_project_is_raised():
    with pytest.raises(DataError, match="no more"):
        here({PROJECT: Contestant(stopping, (1, refuse))}, rounds=3, warm_steps=0)


def test_what_fails_in_the_project_is_raised():
    with pytest.raises(DataError, match="nothing there"):
        here({PROJECT: Contestant(failing, (DataError("nothing there"),))})


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", 0.0)


def test_every_contestant_runs_in_its_own_process(no_pause):
    rates, failures = measure(
        {
            PROJECT: Contestant(counting, ([], PROJECT, 5)),
            "raises": Contestant(failing, (DataError("not for me"),)),
            "unpicklable": Contestant(raising_unpicklable),
            "leaves": Contestant(leaving),
            "raises later": Contestant(stopping, (4, refuse)),  # after three steps to warm up, and a round
            "leaves later": Contestant(stopping, (4, leaving)),
        },
        rounds=2,
        seconds=0.0,
    )
    died = failures.pop("leaves"), failures.pop("leaves later")
    assert all(reason.startswith("BrokenProcessPool: ") for reason in died)
    assert [rate > 0 for rate in rates[PROJECT]] == [True, True]
    assert failures == {
        "raises": "DataError: not for me",
        "unpicklable": "PicklingError: cannot be sent",
        "raises later": "DataError: no more",
    }


def sleeping():
    """Return a step that takes longer than anybody waits."""
    return partial(time.sleep, 600)


def test_a_contestant_that_takes_too_long_is_ended(monkeypatch):
    killed, kill = [], os.kill
    monkeypatch.setattr("os.kill", lambda process, number: killed.append(number) or kill(process, number))
    with pytest.raises(RuntimeError, match="it was not done within 0 s"):
        measure({PROJECT: Contestant(sleeping)}, rounds=1, seconds=0.0, patience=0.0)
    assert killed[0] == signal.SIGKILL


def raising_unpicklable():
    """Raise an error that cannot be pickled."""
    raise Unpicklable("here")


def test_the_projects_exception_keeps_its_type_on_the_way_from_its_process():
    with pytest.raises(DataError, match="nothing there"):
        measure({PROJECT: Contestant(failing, (DataError("nothing there"),))}, rounds=1, seconds=0.0)
