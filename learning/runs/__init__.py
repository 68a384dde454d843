"""Run directories: one folder that says everything about a training run."""
