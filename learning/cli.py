"""What the scripts share: `train.py`'s arguments, and errors as one line with an exit code."""

import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser

from learning.config import SECTIONS, RunConfig, check_keys
from learning.errors import CheckpointError, StorageError, UsageError
from learning.run_directory import RunDirectory
from models.catalogue import model_path
from models.hyperparameters import suggestion

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
# A resumed run may be prolonged, and its data may have moved; all else decides the result.
CHANGEABLE = ("data_dir", "data.cache_dir", "train.num_epochs", "train.keep_checkpoints", "train.tensorboard")


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
        text = re.sub(
            r'Parser key "([\w.]+)": Expected an? (.*?)\. Got value: (.*)',
            r"\1 is \3; it must be of type \2",
            text,
        )
        unknown = re.search(r"--?([\w.-]+)", text) if "nrecognized" in text else None
        if unknown:
            option = unknown.group(1).split("=")[0]
            text = f"unknown option --{option}; {suggestion(option, _option_names())}"
        raise UsageError(text)


def _option_names() -> list[str]:
    nested = [
        f"{name}.{field}" for name, section in SECTIONS.items() for field in section.__dataclass_fields__
    ]
    return ["config", "data-dir", "run-dir", "resume", "debug", "recipe", *nested]


def _train_parser() -> _Parser:
    parser = _Parser(
        prog="train.py",
        description="Train an image classifier, test its best weights, and say where the run lies. "
        "Without arguments: the digits that scikit-learn ships. With --data-dir alone: your own images, one folder "
        "per class.",
        epilog="Recipes are in configs/. Every option can also stand in such a file.",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="a recipe (YAML); options on the command line win over it"
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder or zip of the images, with train/ and test/ inside or directly",
    )
    parser.add_argument("--run-dir", metavar="DIR", help="where the run goes (default: runs/<time>-<recipe>)")
    parser.add_argument("--resume", metavar="RUN", help="go on with the run in this directory, exactly")
    parser.add_argument("--recipe", help="name of the run (default: the name of the recipe's file)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    for name, section in SECTIONS.items():
        parser.add_class_arguments(section, name)
    return parser


def parse_train(argv: Sequence[str] | None = None) -> TrainArguments:
    """Read `train.py`'s command line and recipe. UsageError for whatever is wrong with them."""
    parser = _train_parser()
    given = parser.parse_args(argv, defaults=False).as_dict()  # only what the user wrote
    given.pop("debug", None)
    recipe, run_dir, resume = (given.pop(key, None) for key in ("config", "run_dir", "resume"))
    if resume is not None:
        if recipe is not None or run_dir is not None:
            raise UsageError(
                "--resume takes the run's own recipe and directory; leave out --config and --run-dir"
            )
        values = RunDirectory(resume).config.as_dict()
        _check_resumable(values, given)
    else:
        values = _read_recipe(parser, _recipe_path(recipe, given))
    try:
        config = RunConfig.from_dict(_merge(values, given))
        model_path(config.model.name)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    _check_names(config)
    return TrainArguments(config, run_dir, resume)


def _recipe_path(recipe: str | None, given: dict[str, Any]) -> Path:
    """The recipe asked for, or the digits, or, with images of one's own, the one for a folder."""
    if recipe is not None:
        return Path(recipe)
    return CONFIGS / ("digits.yaml" if given.get("data_dir") is None else "folder.yaml")


def _read_recipe(parser: _Parser, path: Path) -> dict[str, Any]:
    """The recipe's nested values, of the right names and types."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
        raise UsageError(f"there is no recipe {path}; those in {CONFIGS} are: {known}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the recipe {path}: {' '.join(str(error).split())}") from error
    try:
        check_keys(values)
        typed = parser.parse_object(values, defaults=False).as_dict()
    except (ValueError, UsageError) as error:
        raise UsageError(f"in the recipe {path}: {error}") from error
    return {"recipe": path.stem, **typed}


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested dictionaries as one, `over` winning."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        if key in SECTIONS and not prefix:
            flat.update(_flatten(value, f"{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _check_resumable(saved: dict[str, Any], given: dict[str, Any]) -> None:
    """CheckpointError that lists the options which differ from the run's and may not."""
    before = _flatten(saved)
    differing = [
        f"{key} is {value!r}, was {before[key]!r}"
        for key, value in _flatten(_merge(saved, given)).items()
        if key not in CHANGEABLE and value != before[key]
    ]
    if differing:
        raise CheckpointError(
            f"the run cannot be resumed with other options: {'; '.join(differing)}; "
            f"leave them out (what may change: {', '.join(CHANGEABLE)}), or start a new run"
        )


def _check_names(config: RunConfig) -> None:
    """UsageError for a data set or evaluator that does not exist."""
    from datasets.loaders import LOADERS  # imported late: --help has to answer at once
    from learning.evaluators import EVALUATORS

    for option, name, known in (
        ("data.name", config.data.name, LOADERS),
        ("train.evaluator", config.train.evaluator, EVALUATORS),
    ):
        if name not in known:
            raise UsageError(f"unknown {option} {name!r}; {suggestion(name, known)}")


def announce(text: str) -> None:
    """Say what takes the next seconds, where somebody is watching."""
    if sys.stdout.isatty():
        print(text, flush=True)


def run_script(main: Callable[[], None]) -> NoReturn:
    """Run a script's `main`; an error becomes one line on stderr and its exit code, with --debug a traceback.

    This is the one place where exceptions become exit codes: each project exception carries its own.
    """
    try:
        main()
    except Exception as error:
        code = _exit_code(error)
        if code is None or "--debug" in sys.argv:
            traceback.print_exc()
        else:
            print(f"{Path(sys.argv[0]).name}: {_one_line(error)}", file=sys.stderr)
        sys.exit(1 if code is None else code)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _exit_code(error: Exception) -> int | None:
    """The project's exit code for an exception, None for one that is a defect of the project."""
    if hasattr(error, "exit_code"):
        return int(error.exit_code)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return StorageError.exit_code
    if isinstance(error, OSError):
        return StorageError.exit_code
    return None


def _one_line(error: Exception) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "out of memory: try a smaller --train.batch_size"
    return " ".join(str(error).split())
