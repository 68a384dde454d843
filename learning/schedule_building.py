"""From the configuration to a learning-rate schedule."""

from collections.abc import Callable
from typing import Any

from learning.config import OptimizerConfig, ScheduleConfig
from learning.schedules import SCHEDULES, Schedule


def build_schedule(schedule: ScheduleConfig, optimizer: OptimizerConfig, total_steps: int) -> Schedule:
    """The configured schedule for a run of `total_steps` updates.

    :param schedule: a warm-up longer than a fifth of the run is cut to that.
    :raises ValueError: names the argument that is out of range, such as a warm-up past the first boundary.
    """
    warmup_steps = min(schedule.warmup_steps, total_steps // 5)
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
