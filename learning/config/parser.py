"""The options of `train.py` with their help, and complaints about them in one line."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from learning.config.checks import KINDS
from learning.config.recipes import CONFIGS, flatten, read_recipe, recipe_path
from learning.config.run_config import SECTIONS
from learning.errors import UsageError
from learning.terminal.command import ScriptParser
from models.options import suggestion

# What a type is called in complaints.
EXPECTED = {kind.__name__: name for kind, (_, name) in KINDS.items()} | {"tuple": "a list"}


class TrainParser(ArgumentParser):
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
            named = (CONFIGS / f"{found.group(1)}.yaml").is_file()
            option = "config" if named else "data-dir"
            text = f"{found.group(1)} stands alone; did you mean --{option} {found.group(1)}?"
        raise UsageError(text)


def _expectation(complaint: re.Match[str]) -> str:
    """What an option is and what it must be, in the words of `learning.config.checks`."""
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


def train_parser() -> TrainParser:
    """The parser of every option; its defaults are the dataclasses' own until `show_defaults`."""
    parser = TrainParser(
        prog="train.py",
        allow_abbrev=False,
        usage="%(prog)s [--config FILE] [--data-dir DIR] [--run-dir DIR] [--resume RUN] [--SECTION.OPTION X ...]",
        description="Train an image classifier, test its weights, and say where the run lies. "
        "Without arguments: the digits that scikit-learn ships. With --data-dir alone: your own images, one folder "
        "per class.",
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
    return parser


def show_defaults(parser: TrainParser, argv: Sequence[str]) -> None:
    """Let --help show the values of the recipe that a run with these arguments would start from."""
    first = ScriptParser(add_help=False, allow_abbrev=False)
    for option in ("--config", "--data-dir", "--data.name", "--resume"):
        first.add_argument(option)
    asked = vars(first.parse_known_args(argv)[0])
    if asked["resume"] is not None:
        return  # a run has its own
    path = recipe_path(asked["config"], asked["data.name"], asked["data_dir"])
    parser.description = f"{parser.description} The defaults shown are those of the recipe {path.stem}."
    parser.set_defaults(flatten(typed_recipe(parser, path)))


def typed_recipe(parser: TrainParser, path: Path) -> dict[str, Any]:
    """The recipe's nested values, of the right names and types."""
    values = read_recipe(path)
    try:
        typed = parser.parse_object(values, defaults=False).as_dict()
    except (ValueError, UsageError) as error:
        raise UsageError(f"in the recipe {path}: {error}") from error
    return {"recipe": path.stem, **typed}
