"""The arguments of `train.py`: recipe, command line, and what a resumed run may change."""

import dataclasses
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from datasets.files import expanded
from learning.checks import KINDS
from learning.config import SECTIONS, RunConfig, check_names
from learning.errors import CheckpointError, UsageError
from learning.recipes import CONFIGS, flatten, merge, read_recipe, recipe_path, with_defaults_of_set
from learning.run_directory import RunDirectory
from models.catalogue import model_path
from models.hyperparameters import suggestion

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
# What a type is called in complaints.
EXPECTED = {kind.__name__: name for kind, (_, name) in KINDS.items()} | {"tuple": "a list"}


@dataclass(frozen=True)
class TrainArguments:
    """What `python train.py` was asked to do."""

    config: RunConfig
    run_dir: str | None
    resume: str | None


class _Parser(ArgumentParser):
    """An ArgumentParser whose complaint is one line, with a suggestion for a misspelt option."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = re.sub(r"<class '(\w+)'>", r"\1", " ".join(message.split()))
        text = re.sub(r"typing\.Literal\[(.*?)\]", lambda found: found.group(1).replace("'", ""), text)
        text = re.sub(r'Parser key "([\w.]+)": Expected an? (.*?)\. Got value: (.*)', _expectation, text)
        text = re.sub(
            r'Parser key "([\w.]+)": Does not validate .*? Subtypes: \[(\w+), NoneType\] .* Given value: (.*)',
            _expectation,
            text,
        )
        found = re.search(r"nrecognized arguments: (\S+)", text)
        if found and found.group(1).startswith("-"):
            option = found.group(1).lstrip("-").split("=")[0]
            text = f"unknown option --{option}; {_suggested_option(option)}"
        elif found:
            text = f"{found.group(1)} stands alone; did you mean --data-dir {found.group(1)}?"
        raise UsageError(text)


def _expectation(complaint: re.Match[str]) -> str:
    """What an option is and what it must be, in the words of `learning.checks`."""
    option, expected, value = complaint.groups()
    return f"{option} is {value}; it must be {EXPECTED.get(expected, f'one of {expected}')}"


def _suggested_option(option: str) -> str:
    """The option nearest to a misspelt one, by what stands behind the dot or by its whole name."""
    names = _option_names()
    inner = {name.rpartition(".")[2]: name for name in reversed(names)}  # the first of a name counts
    known = dict(zip(names, names, strict=True)) if "." in option else inner
    near = difflib.get_close_matches(option, known, n=1, cutoff=0.6)
    return f"did you mean --{known[near[0]]}?" if near else suggestion(option, names)


def _option_names() -> list[str]:
    nested = [
        f"{name}.{field}" for name, section in SECTIONS.items() for field in section.__dataclass_fields__
    ]
    return [
        "config",
        "data-dir",
        "download",
        "precision",
        "profile",
        "run-dir",
        "resume",
        "debug",
        "recipe",
        *nested,
    ]


def _train_parser() -> _Parser:
    parser = _Parser(
        prog="train.py",
        allow_abbrev=False,
        usage="%(prog)s [--config FILE] [--data-dir DIR] [--run-dir DIR] [--resume RUN] [--SECTION.OPTION X ...]",
        description="Train an image classifier, test its weights, and say where the run lies. "
        "Without arguments: the digits that scikit-learn ships. With --data-dir alone: your own images, one folder "
        "per class. The defaults shown are those of the digits; other recipes have their own.",
        epilog="Recipes are in configs/. Every option can also stand in such a file.",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="a recipe: a YAML file, or the name of one in configs/; other options win over it. Without it: the "
        "recipe of --data.name, else folder where there is --data-dir, else digits",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder or zip of the images, with train/ and test/ inside or directly",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch the official files of asirra, cifar10 or mnist first and verify them; into --data-dir, or into "
        "the cache",
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "bfloat16"],
        help="of the computation; auto: bfloat16 where the machine is fast in it",
    )
    parser.add_argument(
        "--profile",
        type=int,
        metavar="N",
        help="write a timeline of update N and a table of its costliest operations",
    )
    parser.add_argument(
        "--run-dir", metavar="DIR", help="where the run goes; without it: runs/<time>-<recipe>"
    )
    parser.add_argument("--resume", metavar="RUN", help="go on with the run in this directory, exactly")
    parser.add_argument("--recipe", help="name of the run; without it: that of the recipe's file")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    for name, section in SECTIONS.items():
        parser.add_class_arguments(section, name)
    digits = flatten(read_recipe(CONFIGS / "digits.yaml"))
    parser.set_defaults(digits)  # for --help only: what the user wrote is all that is read from the parser
    return parser


def parse_train(argv: Sequence[str] | None = None) -> TrainArguments:
    """Read `train.py`'s command line and recipe. UsageError for whatever is wrong with them."""
    parser = _train_parser()
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
        values = merge(_typed_recipe(parser, path), given)
        _checked({**values, "data": {}})  # at once, where it needs no data set
        values = with_defaults_of_set(values)
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


def _typed_recipe(parser: _Parser, path: Path) -> dict[str, Any]:
    """The recipe's nested values, of the right names and types."""
    values = read_recipe(path)
    try:
        typed = parser.parse_object(values, defaults=False).as_dict()
    except (ValueError, UsageError) as error:
        raise UsageError(f"in the recipe {path}: {error}") from error
    return {"recipe": path.stem, **typed}


def _check_resumable(saved: RunConfig, given: dict[str, Any]) -> None:
    """CheckpointError that lists the options which differ from the run's and may not."""
    before = flatten(saved.as_dict())
    changeable = [
        "data_dir",
        "data.cache_dir",
        "data.download",
        *(f"train.{name}" for name in saved.changeable),
    ]
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
    from datasets.download import DOWNLOADS  # imported late: --help has to answer at once

    if config.data.download and config.data.name not in DOWNLOADS:
        raise UsageError(
            f"the data set {config.data.name!r} cannot be downloaded, only {', '.join(DOWNLOADS)}; leave "
            "--download out, or choose one of these with --data.name"
        )
