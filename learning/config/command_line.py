"""The arguments of `train.py`: recipe, command line, and what a resumed run may change."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets.catalogue import DATASETS
from datasets.storage.paths import expanded
from learning.config.parser import show_defaults, train_parser, typed_recipe
from learning.config.recipes import flatten, merge, override, recipe_path
from learning.config.run_config import PLACES, SECTIONS, RunConfig, check_names
from learning.errors import CheckpointError, UsageError
from learning.runs.directory import RunDirectory
from models.catalogue import model_path

# What an option is for, where only some choices look at it.
USED_BY = {
    "optimizer.momentum": ("optimizer", ("momentum", "nesterov", "rmsprop")),
    "optimizer.beta1": ("optimizer", ("adam", "adamw")),
    "optimizer.beta2": ("optimizer", ("adam", "adamw")),
    "optimizer.rmsprop_decay": ("optimizer", ("rmsprop",)),
    "optimizer.epsilon": ("optimizer", ("adam", "adamw", "rmsprop")),
    "schedule.learning_rate_patience": ("schedule", ("patience",)),
    "schedule.learning_rate_decay": ("schedule", ("patience", "steps")),
    "schedule.min_learning_rate": ("schedule", ("patience", "cosine")),
    "schedule.eps": ("schedule", ("patience",)),
    "schedule.boundaries": ("schedule", ("steps",)),
    "schedule.warmup_steps": ("schedule", ("steps", "cosine")),
}


@dataclass(frozen=True)
class TrainArguments:
    """What `python train.py` was asked to do."""

    config: RunConfig
    run_dir: str | None
    resume: str | None


def parse_train(argv: Sequence[str] | None = None) -> TrainArguments:
    """Read `train.py`'s command line and recipe. UsageError for whatever is wrong with them."""
    argv = sys.argv[1:] if argv is None else argv
    parser = train_parser()
    if {"-h", "--help"} & set(argv):
        show_defaults(parser, argv)
    given = parser.parse_args(argv, defaults=False).as_dict()  # only what the user wrote
    given.pop("debug", None)
    if given.pop("download", False):
        given.setdefault("data", {})["download"] = True
    for option, section in (("precision", "model"), ("profile", "train")):
        if (value := given.pop(option, None)) is not None:
            given.setdefault(section, {})[option] = value
    for section in SECTIONS:
        given.get(section, {}).pop("__path__", None)  # of a file given for a whole section
    recipe, run_dir, resume = (given.pop(key, None) for key in ("config", "run_dir", "resume"))
    run_dir, resume = (None if path is None else str(expanded(path)) for path in (run_dir, resume))
    if resume is not None and (recipe is not None or run_dir is not None):
        raise UsageError(
            "--resume takes the run's own recipe and directory; leave out --config and --run-dir"
        )
    if resume is not None:
        values = merge(_values_of_run(resume, given), given)
    else:
        path = recipe_path(recipe, given.get("data", {}).get("name"), given.get("data_dir"))
        values = override(typed_recipe(parser, path), given)
        _checked({**values, "data": {}})  # at once, where it needs no data set
    config = _checked(values)
    try:
        model_path(config.model.name)
        check_names(config)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    _check_download(config)
    _check_used(config, given)
    return TrainArguments(_with_absolute_paths(config), run_dir, resume)


def _checked(values: dict[str, Any]) -> RunConfig:
    """The configuration with these values. UsageError for one that cannot be."""
    try:
        return RunConfig.from_dict(values)
    except ValueError as error:
        raise UsageError(f"{error}") from error


def _values_of_run(resume: str, given: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the run to go on with. CheckpointError where it cannot go on, or not as `given` says."""
    run = RunDirectory(resume)
    if run.info.get("published"):
        raise CheckpointError(
            f"{resume} holds no optimizer state: it was published for test.py and predict.py; train anew"
        )
    if given.get("model", {}).get("precision") == "auto":
        del given["model"]["precision"]  # the run keeps what was chosen
    _check_resumable(run.config, given)
    return run.config.as_dict()


def _check_resumable(saved: RunConfig, given: dict[str, Any]) -> None:
    """CheckpointError that lists the options which differ from the run's and may not."""
    before = flatten(saved.as_dict())
    changeable = [*PLACES, *(f"train.{name}" for name in saved.changeable)]
    differing = [
        f"{key} is {value!r}, was {before[key]!r}"
        for key, value in flatten(merge(saved.as_dict(), given)).items()
        if key not in changeable and value != before[key]
    ]
    if differing:
        raise CheckpointError(
            f"the run cannot be resumed with other options: {'; '.join(differing)}; "
            f"leave them out (what may change: {', '.join(changeable)}), or start a new run"
        )


def _check_used(config: RunConfig, given: dict[str, Any]) -> None:
    """UsageError for an option on the command line that the chosen optimizer or schedule does not look at."""
    for option in flatten(given):
        section, users = USED_BY.get(option, ("", ()))
        if section and getattr(config, section).name not in users:
            chosen = getattr(config, section).name
            raise UsageError(
                f"--{option} means nothing to {section}.name {chosen}, only to {', '.join(users)}; leave it out, "
                f"or choose --{section}.name"
            )


def _with_absolute_paths(config: RunConfig) -> RunConfig:
    """The run directory may be used from elsewhere."""
    data = dataclasses.replace(config.data, cache_dir=_absolute(config.data.cache_dir))
    return dataclasses.replace(config, data_dir=_absolute(config.data_dir), data=data)


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(expanded(path).resolve())


def _check_download(config: RunConfig) -> None:
    """UsageError for a data set that cannot be downloaded."""
    downloadable = [name for name, entry in DATASETS.items() if entry.downloads]
    if config.data.download and config.data.name not in downloadable:
        raise UsageError(
            f"the data set {config.data.name!r} cannot be downloaded, only {', '.join(downloadable)}; leave "
            "--download out, or choose one of these with --data.name"
        )
