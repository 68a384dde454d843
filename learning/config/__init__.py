"""The configuration of a run: typed options, recipes, and the command line of `train.py`."""

from learning.config.run_config import RunConfig

__all__ = ["RunConfig"]
