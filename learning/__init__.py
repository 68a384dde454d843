"""Training: evaluators, schedules, the loop, checkpoints and the report of a run."""
