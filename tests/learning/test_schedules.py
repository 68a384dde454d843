"""Learning rates worked out by hand, and properties of every schedule."""

import json
import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.config.run_config import ScheduleConfig
from learning.schedules import (
    SCHEDULES,
    ConstantSchedule,
    CosineSchedule,
    PatienceSchedule,
    Schedule,
    StepsSchedule,
    linear_warmup,
)

ARGUMENTS = {
    "patience": {"patience": 2},
    "steps": {"boundaries": [4, 8], "warmup_steps": 2},
    "cosine": {"total_steps": 12, "warmup_steps": 2},
    "constant": {},
}
FUNCTIONS_OF_THE_STEP = ["steps", "cosine"]
SETTABLE = ["patience", "constant"]


def make(name, init_learning_rate=0.1):
    return SCHEDULES[name](init_learning_rate, **ARGUMENTS[name])


class TestContract:
    @pytest.fixture(params=sorted(SCHEDULES))
    def name(self, request):
        return request.param

    def test_every_schedule_is_tried(self):
        assert set(ARGUMENTS) == set(SCHEDULES)

    def test_rate_is_a_python_float_also_for_a_numpy_step(self, name):
        assert type(make(name).learning_rate(np.int64(3))) is float

    def test_asking_changes_nothing(self, name):
        schedule = make(name)
        forwards = [schedule.learning_rate(step) for step in range(12)]
        backwards = [schedule.learning_rate(step) for step in reversed(range(12))]
        assert forwards == backwards[::-1]

    def test_good_epoch_keeps_the_count(self, name):
        assert make(name).step(0) == 0
        assert make(name).step(1) == 1

    def test_fresh_schedule_takes_over_the_state(self, name):
        schedule = make(name)
        schedule.step(5)
        resumed = make(name, init_learning_rate=0.7) if name in SETTABLE else make(name)
        resumed.restore(json.loads(json.dumps(schedule.state())))
        assert [resumed.learning_rate(s) for s in range(12)] == [schedule.learning_rate(s) for s in range(12)]

    def test_state_of_another_schedule(self, name):
        with pytest.raises(
            ValueError, match=f"state of {type(make(name)).__name__} holds .'cycle'.*resume with"
        ):
            make(name).restore({"cycle": 3})

    def test_negative_step(self, name):
        with pytest.raises(ValueError, match="global_step is -1"):
            make(name).learning_rate(-1)

    @pytest.mark.parametrize("rate", [0, -0.1, math.nan, math.inf, "0.1", None, True])
    def test_initial_rate_out_of_range(self, name, rate):
        with pytest.raises(ValueError, match=r"init_learning_rate is .*; it must be"):
            make(name, init_learning_rate=rate)


class TestSetting:
    @pytest.mark.parametrize("name", SETTABLE)
    def test_set_rate_is_used_and_saved(self, name):
        schedule = make(name)
        schedule.set_learning_rate(0.025)
        assert schedule.learning_rate(7) == 0.025
        assert schedule.state() == {"learning_rate": 0.025}

    @pytest.mark.parametrize("name", SETTABLE)
    @pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf, "0.1"])
    def test_bad_rate_is_refused_and_the_old_one_kept(self, name, rate):
        schedule = make(name)
        with pytest.raises(ValueError, match="learning_rate is"):
            schedule.set_learning_rate(rate)
        with pytest.raises(ValueError, match="learning_rate of the saved state is"):
            schedule.restore({"learning_rate": rate})
        assert schedule.learning_rate(0) == 0.1

    @pytest.mark.parametrize("name", FUNCTIONS_OF_THE_STEP)
    def test_a_schedule_of_the_step_has_no_rate_to_set(self, name):
        with pytest.raises(TypeError, match=r"is a function of the step.*use the schedule 'patience'"):
            make(name).set_learning_rate(0.5)


class TestConstant:
    def test_never_changes(self):
        schedule = ConstantSchedule(0.3)
        assert schedule.step(1000) == 1000
        assert {schedule.learning_rate(step) for step in (0, 1, 10**9)} == {0.3}


class TestPatience:
    def test_falls_after_more_than_patience_bad_epochs(self):
        schedule = PatienceSchedule(1.0, patience=2, factor=0.5)
        rates, counts, num_bad_epochs = [], [], 0
        for _ in range(7):
            num_bad_epochs = schedule.step(num_bad_epochs + 1)
            counts.append(num_bad_epochs)
            rates.append(schedule.learning_rate(0))
        assert counts == [1, 2, 0, 1, 2, 0, 1]
        assert rates == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]

    def test_zero_patience_falls_at_the_first_bad_epoch(self):
        schedule = PatienceSchedule(1.0, patience=0, factor=0.5)
        assert (schedule.step(0), schedule.learning_rate(0)) == (0, 1.0)
        assert (schedule.step(1), schedule.learning_rate(0)) == (0, 0.5)

    def test_defaults_are_the_posts(self):
        schedule = PatienceSchedule(0.01)
        assert (schedule.patience, schedule.factor, schedule.eps) == (10, 0.1, 1e-8)

    def test_stops_at_the_minimum(self):
        schedule = PatienceSchedule(1.0, patience=0, factor=0.5, min_learning_rate=0.4)
        rates = [(schedule.step(1), schedule.learning_rate(0))[1] for _ in range(3)]
        assert rates == [0.5, 0.4, 0.4]

    def test_change_below_eps_is_not_made_but_the_count_starts_again(self):
        schedule = PatienceSchedule(1.0, patience=0, factor=0.5, eps=0.25)
        assert schedule.step(1) == 0
        assert schedule.learning_rate(0) == 0.5  # a change of 0.5
        assert schedule.step(1) == 0
        assert schedule.learning_rate(0) == 0.25  # of exactly eps
        assert schedule.step(1) == 0
        assert schedule.learning_rate(0) == 0.25  # 0.125 would be below

    def test_factor_of_one_keeps_the_rate(self):
        schedule = PatienceSchedule(0.3, patience=0, factor=1, eps=0)
        assert (schedule.step(1), schedule.learning_rate(0)) == (0, 0.3)

    def test_rate_set_below_the_minimum_is_not_raised(self):
        schedule = PatienceSchedule(1.0, patience=0, min_learning_rate=0.5)
        schedule.set_learning_rate(0.2)
        schedule.step(1)
        assert schedule.learning_rate(0) == 0.2

    @pytest.mark.parametrize(
        ("argument", "value"),
        [
            ("patience", -1),
            ("patience", 2.5),
            ("patience", True),
            ("factor", 0),
            ("factor", 1.5),
            ("factor", 10),
            ("min_learning_rate", -0.1),
            ("min_learning_rate", 0.2),
            ("eps", -1e-8),
            ("eps", math.nan),
            ("eps", math.inf),
            ("eps", "1e-8"),
        ],
    )
    def test_argument_out_of_range(self, argument, value):
        with pytest.raises(ValueError, match=f"^{argument} is {value!r}"):
            PatienceSchedule(0.1, **{argument: value})


class TestSteps:
    def test_divided_by_ten_at_32k_and_48k(self):
        schedule = StepsSchedule(0.1, boundaries=[32_000, 48_000])
        steps = [0, 31_999, 32_000, 47_999, 48_000, 64_000]
        rates = [schedule.learning_rate(step) for step in steps]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])

    def test_warmup(self):
        schedule = StepsSchedule(1.0, boundaries=[6], factor=0.5, warmup_steps=4)
        assert [schedule.learning_rate(step) for step in range(7)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5]

    def test_no_boundary_is_a_constant(self):
        assert StepsSchedule(0.2, boundaries=[]).learning_rate(10**6) == 0.2

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"boundaries": [5, 5]}, r"boundaries are \[5, 5\]; give increasing"),
            ({"boundaries": [8, 4]}, r"boundaries are \[8, 4\]; give increasing"),
            ({"boundaries": [0]}, "boundaries is 0; it must be 1 or more"),
            ({"boundaries": [1.5]}, "boundaries is 1.5; it must be a whole number"),
            ({"boundaries": [5], "factor": 2}, "factor is 2"),
            ({"boundaries": [5], "warmup_steps": -1}, "warmup_steps is -1"),
            ({"boundaries": [5], "warmup_steps": 6}, "warmup_steps is 6, past the first boundary 5"),
        ],
    )
    def test_argument_out_of_range(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            StepsSchedule(0.1, **arguments)


class TestCosine:
    def test_half_a_cosine(self):
        schedule = CosineSchedule(1.0, total_steps=4, min_learning_rate=0.2)
        # 0.2 + 0.4 (1 + cos 0), (1 + cos 45 degrees), (1 + cos 90), (1 + cos 135), then the end
        expected = [1.0, 0.6 + 0.4 * math.sqrt(0.5), 0.6, 0.6 - 0.4 * math.sqrt(0.5), 0.2, 0.2]
        assert [schedule.learning_rate(step) for step in range(6)] == pytest.approx(expected)

    def test_warmup_then_the_full_rate(self):
        schedule = CosineSchedule(0.8, total_steps=8, warmup_steps=4)
        expected = [0.2, 0.4, 0.6, 0.8, 0.8, 0.4 + 0.4 * math.sqrt(0.5), 0.4, 0.4 - 0.4 * math.sqrt(0.5), 0.0]
        assert [schedule.learning_rate(step) for step in range(9)] == pytest.approx(expected)

    def test_ends_are_exact(self):
        schedule = CosineSchedule(0.1, total_steps=1000, min_learning_rate=0.003)
        assert schedule.learning_rate(0) == 0.1
        assert schedule.learning_rate(1000) == 0.003

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"total_steps": 0}, "total_steps is 0; it must be 1 or more"),
            ({"total_steps": 5, "warmup_steps": 5}, "total_steps is 5; it must be 6 or more"),
            ({"total_steps": 5, "warmup_steps": -1}, "warmup_steps is -1"),
            (
                {"total_steps": 5, "min_learning_rate": 0.2},
                "min_learning_rate is 0.2; it must be from 0 to 0.1",
            ),
        ],
    )
    def test_argument_out_of_range(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            CosineSchedule(0.1, **arguments)


class TestEarlyStopping:
    def test_more_than_patience_epochs(self):
        schedule = ScheduleConfig(early_stopping_patience=3)
        assert [schedule.should_stop(epochs) for epochs in range(6)] == [False] * 4 + [True] * 2

    def test_without_a_patience_training_never_stops(self):
        assert not ScheduleConfig().should_stop(10**9)

    @pytest.mark.parametrize("patience", [-1, 1.0, "3", True])
    def test_patience_out_of_range(self, patience):
        with pytest.raises(ValueError, match=r"early_stopping_patience is .*; it must be (zero or|a whole)"):
            ScheduleConfig(early_stopping_patience=patience)


def test_linear_warmup_is_one_at_its_last_update():
    assert [linear_warmup(step, 2) for step in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert linear_warmup(0, 0) == 1.0


rates = st.floats(1e-6, 1e3)
factors = st.floats(0.01, 0.99)


@st.composite
def step_schedules(draw) -> tuple[Schedule, float, int]:
    """Draw a schedule of the step, its initial rate and its warm-up."""
    rate, warmup_steps = draw(rates), draw(st.integers(0, 20))
    if draw(st.booleans()):
        boundaries = draw(st.sets(st.integers(max(1, warmup_steps), 200), max_size=5))
        schedule = StepsSchedule(
            rate, boundaries=sorted(boundaries), factor=draw(factors), warmup_steps=warmup_steps
        )
        return schedule, rate, warmup_steps
    total_steps = draw(st.integers(201, 10_000))
    min_learning_rate = rate * draw(st.floats(0, 1))
    schedule = CosineSchedule(
        rate, total_steps=total_steps, warmup_steps=warmup_steps, min_learning_rate=min_learning_rate
    )
    return schedule, rate, warmup_steps


@given(step_schedules())
def test_rates_are_positive_and_never_above_the_initial_one(made):
    schedule, init_learning_rate, _ = made
    assert all(0 < schedule.learning_rate(step) <= init_learning_rate for step in range(201))


@given(step_schedules())
def test_rates_rise_in_the_warmup_and_never_after(made):
    schedule, _, warmup_steps = made
    warmup = [schedule.learning_rate(step) for step in range(warmup_steps)]
    after = [schedule.learning_rate(step) for step in range(max(0, warmup_steps - 1), 201)]
    assert warmup == sorted(warmup)
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(after))


@given(rates, factors, st.integers(0, 3), st.lists(st.booleans(), max_size=40))
def test_patience_rates_fall_and_resume_exactly(rate, factor, patience, epochs):
    schedule = PatienceSchedule(rate, patience=patience, factor=factor)
    resumed = PatienceSchedule(1.0, patience=patience, factor=factor)
    previous, num_bad_epochs = rate, 0
    for is_better in epochs:
        num_bad_epochs = schedule.step(0 if is_better else num_bad_epochs + 1)
        assert num_bad_epochs <= patience
        assert 0 < schedule.learning_rate(0) <= previous
        previous = schedule.learning_rate(0)
    resumed.restore(json.loads(json.dumps(schedule.state())))
    assert resumed.learning_rate(0) == previous
    assert resumed.step(patience + 1) == schedule.step(patience + 1)
    assert resumed.learning_rate(0) == schedule.learning_rate(0)


def test_import_brings_no_tensorflow():
    code = "import sys, learning.schedules; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
