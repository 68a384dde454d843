"""Learning-rate schedules: pure Python, with a state that a checkpoint can hold.

A schedule returns the learning rate of an update. After each epoch, it is told how many epochs in a row had no
better score. Units: `global_step` and all `*_steps` count updates, `patience` counts epochs.
"""

import inspect
import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise

from datasets.options.fields import FACTOR, NOT_NEGATIVE, POSITIVE, Range, checked
from learning.config.options import OptimizerConfig, ScheduleConfig
from models.options import accepted


def _at_least(minimum: int) -> Range:
    return Range(lambda value: value >= minimum, f"{minimum} or more")


def _up_to(rate: float) -> Range:
    return Range(lambda value: 0 <= value <= rate, f"from 0 to {rate:g}")


def linear_warmup(global_step: int, warmup_steps: int) -> float:
    """Return the fraction of the full rate: 1/warmup_steps at the first update, 1 from the last of the warm-up on.

    Source: Goyal et al. 2017, section 2.2 (gradual warm-up), from 0 instead of from a single worker's rate.
    """
    return min(1.0, (global_step + 1) / warmup_steps) if warmup_steps else 1.0


class Schedule(ABC):
    """The learning rate of every update.

    A subclass defines `learning_rate`. If anything changes during training, it is in `state`.
    """

    @abstractmethod
    def learning_rate(self, global_step: int) -> float:
        """Return the rate of the update that follows `global_step` updates; 0 is the first.

        :raises ValueError: `global_step` is negative.
        """

    def step(self, num_bad_epochs: int) -> int:
        """Called at the end of every epoch; may change the rate.

        :param num_bad_epochs: epochs in a row, including this one, without a better score.
        :return: the count to continue with: the same, or 0 if it starts again.
        """
        return num_bad_epochs

    def set_learning_rate(self, value: float) -> None:
        """Continue with the rate `value`. TypeError if this schedule is a function of the step."""
        raise TypeError(
            f"{type(self).__name__} is a function of the step, its rate cannot be set to {value}; "
            "change its arguments, or use the schedule 'patience' or 'constant'"
        )

    def state(self) -> dict[str, float]:
        """Return what `restore` needs, in values that JSON keeps exactly; empty for a function of the step."""
        return {}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from what `state` returned. ValueError if it is another schedule's or out of range."""
        if set(state) != set(self.state()):
            raise ValueError(
                f"the saved state of {type(self).__name__} holds {sorted(state)}, expected "
                f"{sorted(self.state())}; resume with the schedule that the run was started with"
            )


@dataclass(eq=False)
class _SettableSchedule(Schedule):
    """A rate that is state, not a function of the step."""

    init_learning_rate: float  # above 0

    def __post_init__(self) -> None:
        self._rate = checked(self.init_learning_rate, float, "init_learning_rate", POSITIVE)

    def learning_rate(self, global_step: int) -> float:
        checked(global_step, int, "global_step", NOT_NEGATIVE)
        return self._rate

    def set_learning_rate(self, value: float) -> None:
        """Continue with the rate `value`. ValueError unless it is a finite number above 0."""
        self._rate = checked(value, float, "learning_rate", POSITIVE)

    def state(self) -> dict[str, float]:
        return {"learning_rate": self._rate}

    def restore(self, state: Mapping[str, object]) -> None:
        super().restore(state)
        self._rate = checked(state["learning_rate"], float, "learning_rate of the saved state", POSITIVE)


class ConstantSchedule(_SettableSchedule):
    """The same rate, above 0, for every update, unless it is set."""


@dataclass(eq=False)
class PatienceSchedule(_SettableSchedule):
    """Multiplies the rate after too many epochs in a row without a better score (the AlexNet post's rule).

    :raises ValueError: names the argument that is out of range.
    """

    _: KW_ONLY
    patience: int = 10  # epochs; the rate falls when more than this many in a row had no better score
    factor: float = 0.1  # what the rate is multiplied by, above 0 and at most 1
    min_learning_rate: float = 0.0  # the rate does not fall below this; at most `init_learning_rate`
    eps: float = 1e-8  # smaller changes of the rate are not made

    def __post_init__(self) -> None:
        super().__post_init__()
        self.patience = checked(self.patience, int, "patience", NOT_NEGATIVE)
        self.factor = checked(self.factor, float, "factor", FACTOR)
        self.min_learning_rate = checked(
            self.min_learning_rate, float, "min_learning_rate", _up_to(self._rate)
        )
        self.eps = checked(self.eps, float, "eps", NOT_NEGATIVE)

    def step(self, num_bad_epochs: int) -> int:
        """Lower the rate beyond the patience; the count starts again, even if `eps` keeps the rate."""
        if num_bad_epochs <= self.patience:
            return num_bad_epochs
        reduced = max(self._rate * self.factor, self.min_learning_rate)
        if self._rate - reduced >= self.eps:
            self._rate = reduced
        return 0


@dataclass(eq=False)
class StepsSchedule(Schedule):
    """Multiplies the rate by `factor` at given updates.

    The update that follows exactly `boundary` updates already has the lower rate. Source: He et al. 2015 (arXiv
    1512.03385), section 4.2: divided by 10 at 32,000 and 48,000 iterations. Deviation: a warm-up is linear; the
    paper's, for 110 layers, is a constant 0.01.

    :raises ValueError: names the argument that is out of range.
    """

    init_learning_rate: float  # above 0
    _: KW_ONLY
    boundaries: Sequence[int]  # updates, increasing, 1 or more
    factor: float = 0.1  # what the rate is multiplied by at each boundary, above 0 and at most 1
    warmup_steps: int = 0  # updates of linear warm-up, at most the first boundary

    def __post_init__(self) -> None:
        self.init_learning_rate = checked(self.init_learning_rate, float, "init_learning_rate", POSITIVE)
        self.boundaries = tuple(checked(item, int, "boundaries", _at_least(1)) for item in self.boundaries)
        if any(earlier >= later for earlier, later in pairwise(self.boundaries)):
            raise ValueError(f"boundaries are {list(self.boundaries)}; give increasing numbers of updates")
        self.factor = checked(self.factor, float, "factor", FACTOR)
        self.warmup_steps = checked(self.warmup_steps, int, "warmup_steps", NOT_NEGATIVE)
        if self.boundaries and self.warmup_steps > self.boundaries[0]:
            raise ValueError(
                f"warmup_steps is {self.warmup_steps}, past the first boundary {self.boundaries[0]}; "
                "give a warm-up that ends before it"
            )

    def learning_rate(self, global_step: int) -> float:
        checked(global_step, int, "global_step", NOT_NEGATIVE)
        num_passed = bisect_right(self.boundaries, global_step)
        warmup = linear_warmup(global_step, self.warmup_steps)
        return self.init_learning_rate * warmup * self.factor**num_passed


@dataclass(eq=False)
class CosineSchedule(Schedule):
    """Half a cosine from the full rate down to the smallest, after an optional linear warm-up.

    Source: Loshchilov & Hutter 2017 (SGDR), equation 5 with a single cycle. The update that follows the warm-up has
    the full rate. From `total_steps` updates on, the rate is `min_learning_rate`, which a run of `total_steps`
    updates never reaches.

    :raises ValueError: names the argument that is out of range.
    """

    init_learning_rate: float  # above 0
    _: KW_ONLY
    total_steps: int  # updates of the whole run, more than `warmup_steps`
    warmup_steps: int = 0  # updates of linear warm-up
    min_learning_rate: float = 0.0  # at most `init_learning_rate`

    def __post_init__(self) -> None:
        self.init_learning_rate = checked(self.init_learning_rate, float, "init_learning_rate", POSITIVE)
        self.warmup_steps = checked(self.warmup_steps, int, "warmup_steps", NOT_NEGATIVE)
        self.total_steps = checked(self.total_steps, int, "total_steps", _at_least(self.warmup_steps + 1))
        self.min_learning_rate = checked(
            self.min_learning_rate, float, "min_learning_rate", _up_to(self.init_learning_rate)
        )

    def learning_rate(self, global_step: int) -> float:
        checked(global_step, int, "global_step", NOT_NEGATIVE)
        if global_step < self.warmup_steps:
            return self.init_learning_rate * linear_warmup(global_step, self.warmup_steps)
        if global_step >= self.total_steps:
            return self.min_learning_rate
        progress = (global_step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        span = self.init_learning_rate - self.min_learning_rate
        rate = self.min_learning_rate + 0.5 * span * (1 + math.cos(math.pi * progress))
        return min(rate, self.init_learning_rate)  # the sum may round to just above


SCHEDULES: dict[str, type[Schedule]] = {
    "patience": PatienceSchedule,
    "steps": StepsSchedule,
    "cosine": CosineSchedule,
    "constant": ConstantSchedule,
}


def warmup_of(schedule: ScheduleConfig, total_steps: int) -> int:
    """Return the number of updates of the warm-up: at most a fifth of the run's `total_steps`."""
    has_warmup = "warmup_steps" in inspect.signature(SCHEDULES[schedule.name]).parameters
    return min(schedule.warmup_steps, total_steps // 5) if has_warmup else 0


def build_schedule(
    schedule: ScheduleConfig, optimizer: OptimizerConfig, total_steps: int, batch_size: int | None = None
) -> Schedule:
    """Return the configured schedule for a run of `total_steps` updates; the warm-up takes at most a fifth of them.

    :param batch_size: images of an update, by which `reference_batch_size` scales the rate.
    :raises ValueError: names the argument that is out of range, such as a warm-up past the first boundary.
    """
    options = {
        "patience": schedule.learning_rate_patience,
        "factor": schedule.learning_rate_decay,
        "min_learning_rate": schedule.min_learning_rate,
        "eps": schedule.eps,
        "boundaries": schedule.boundaries,
        "warmup_steps": warmup_of(schedule, total_steps),
        "total_steps": total_steps,
    }
    kind: Callable[..., Schedule] = SCHEDULES[schedule.name]
    reference = schedule.reference_batch_size
    factor = batch_size / reference if batch_size and reference else 1.0
    return kind(optimizer.init_learning_rate * factor, **accepted(kind, options))
