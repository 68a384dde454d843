"""The configuration of a run: typed options and recipes."""

from learning.config.run_config import RunConfig

__all__ = ["RunConfig"]
