"""From the configuration to a learning-rate schedule."""

from collections.abc import Callable
from typing import Any

from learning.config.run_config import OptimizerConfig, ScheduleConfig
from learning.schedules import SCHEDULES, Schedule


def warmup_of(schedule: ScheduleConfig, total_steps: int) -> int:
    """The updates of the warm-up in a run of `total_steps`: at most a fifth of it; 0 where the rule has none."""
    return min(schedule.warmup_steps, total_steps // 5) if schedule.name in ("steps", "cosine") else 0


def build_schedule(schedule: ScheduleConfig, optimizer: OptimizerConfig, total_steps: int) -> Schedule:
    """The configured schedule for a run of `total_steps` updates.

    :param schedule: a warm-up longer than a fifth of the run is cut to that.
    :raises ValueError: names the argument that is out of range, such as a warm-up past the first boundary.
    """
    warmup_steps = warmup_of(schedule, total_steps)
    options: dict[str, dict[str, Any]] = {
        "patience": {
            "patience": schedule.learning_rate_patience,
            "factor": schedule.learning_rate_decay,
            "min_learning_rate": schedule.min_learning_rate,
            "eps": schedule.eps,
        },
        "steps": {
            "boundaries": schedule.boundaries,
            "factor": schedule.learning_rate_decay,
            "warmup_steps": warmup_steps,
        },
        "cosine": {
            "total_steps": total_steps,
            "warmup_steps": warmup_steps,
            "min_learning_rate": schedule.min_learning_rate,
        },
        "constant": {},
    }
    kind: Callable[..., Schedule] = SCHEDULES[schedule.name]
    return kind(optimizer.init_learning_rate, **options[schedule.name])
