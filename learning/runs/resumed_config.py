"""The configuration of a run that continues another: a resume may change some options, a new run any."""

from collections.abc import Mapping
from typing import Any

from learning.config.options import ModelConfig
from learning.config.recipes import flatten, merge
from learning.config.run_config import PLACES, RunConfig
from learning.errors import CheckpointError
from learning.runs.directory import RunDirectory


def resumed_config(path: str, given: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of the run in `path` with the nested values `given`.

    :raises CheckpointError: there is no run that can be resumed, or it cannot be resumed with these values.
    """
    run = RunDirectory(path)
    if run.info.get("published"):
        raise CheckpointError(
            f"{path} holds no optimizer state: it was published for test.py and predict.py; train a new run"
        )
    if given.get("model", {}).get("precision") == "auto":  # the run keeps what was chosen
        given = merge(given, {"model": {"precision": run.config.model.precision}})
    if (init := given.get("model", {}).get("init")) is not None:  # saved as an absolute path
        init = RunConfig(model=ModelConfig(init=init)).with_absolute_paths().model.init
        given = merge(given, {"model": {"init": init}})
    values = merge(run.config.as_dict(), given)
    _check_changes(path, run.config, values)
    return RunConfig.from_saved(values)


def new_config(source: str, given: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a new run from the weights of a run: that run's, with the nested values `given`.

    :raises CheckpointError: there is no run in `source`.
    """
    return RunConfig.from_saved(merge(RunDirectory(source).config.as_dict(), given))


def _check_changes(path: str, saved: RunConfig, values: Mapping[str, Any]) -> None:
    """Raise CheckpointError with the options that may not differ from the run's, but do."""
    before = flatten(saved.as_dict())
    changeable = [*PLACES, *(f"train.{name}" for name in saved.changeable)]
    differing = [
        f"{key} is {value!r}, was {before[key]!r}"
        for key, value in flatten(values).items()
        if key not in changeable and value != before[key]
    ]
    if differing:
        reason = "" if "train.num_epochs" in changeable else "; a cosine schedule fixes train.num_epochs"
        raise CheckpointError(
            f"the run cannot be resumed with other options: {'; '.join(differing)}; "
            f"leave them out (what may change: {', '.join(changeable)}{reason}), or start a new run from its "
            f"weights with --model.init {path}"
        )
