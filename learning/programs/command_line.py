"""The command line of `train.py`: options put over a recipe, or over the configuration of the run to resume."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from datasets.options.fields import options_of
from datasets.options.script_parser import ScriptParser
from datasets.options.text_values import nested_values
from datasets.storage.paths import expanded
from learning.config.recipes import CONFIGS, override, read_recipe, recipe_path
from learning.config.run_config import SECTIONS, RunConfig, check_names
from learning.errors import UsageError
from learning.runs.directory import is_run
from learning.runs.resumed_config import new_config, resumed_config
from models.catalogue import model_path

# The arguments that are not options of a section.
GENERAL = {
    "config": (
        "FILE",
        "a recipe: a YAML file, or the name of one in configs/; other options take precedence (default: the recipe "
        "of --data.name, or else folder if there is --data-dir, or else digits)",
    ),
    "data-dir": ("DIR", "folder, zip or tar archive of the images, with or without train/ and test/"),
    "run-dir": ("DIR", "folder of the run (default: runs/<time>-<recipe>)"),
    "resume": ("RUN", "continue the run in this directory, exactly"),
    "recipe": ("NAME", "name of the run (default: that of the recipe's file)"),
}
SHORT_NAMES = {"data.download": "download", "model.precision": "precision", "train.profile": "profile"}
NETWORK_OPTIONS = "model.options"


class TrainArguments(NamedTuple):
    """The arguments of `train.py`."""

    config: RunConfig
    run_dir: str | None
    resume: str | None


def parse_train(argv: Sequence[str] | None = None) -> TrainArguments:
    """Read the command line of `train.py`, and the recipe or the run that it names.

    :raises UsageError: an argument or the recipe is wrong.
    :raises CheckpointError: there is no run to resume, or it cannot be resumed with these options.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = _train_parser(argv, recipe={})
    arguments, rest = parser.parse_known_args(argv)
    if arguments.help:
        _print_help(arguments)
    if rest and not rest[0].startswith("-"):
        option = "config" if (CONFIGS / f"{rest[0]}.yaml").is_file() else "data-dir"
        parser.error(f"{rest[0]} stands alone; did you mean --{option} {rest[0]}?")
    parser.refuse(rest)
    given: dict[str, Any] = dict(nested_values(arguments.given, SECTIONS))
    given |= {key: text for key in ("data_dir", "recipe") if (text := getattr(arguments, key)) is not None}
    config = _configuration(arguments, given)
    _check_choices(config, given)
    return TrainArguments(config.with_absolute_paths(), arguments.run_dir, arguments.resume)


def _configuration(arguments: argparse.Namespace, given: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of the recipe, or of the run to resume, with the given values put over it."""
    source = given.get("model", {}).get("init")
    if arguments.resume is None and arguments.config is None and source is not None and is_run(source):
        return new_config(source, given)
    if arguments.resume is None:
        recipe = read_recipe(recipe_path(arguments.config, given))
        if (NETWORK_OPTIONS, "{}") in arguments.given:
            recipe.get("model", {}).pop("options", None)
        return RunConfig.from_dict(override(recipe, given))
    if arguments.config is not None or arguments.run_dir is not None:
        raise UsageError(
            "--resume takes the run's own recipe and directory; leave out --config and --run-dir"
        )
    return resumed_config(arguments.resume, given)


def _train_parser(argv: Sequence[str], recipe: Mapping[str, Any]) -> ScriptParser:
    """Return a parser of all options, and of the network's options in `argv`; it shows the recipe's values."""
    parser = ScriptParser(
        prog="train.py",
        allow_abbrev=False,
        add_help=False,
        usage="%(prog)s [--config FILE] [--data-dir DIR] [--run-dir DIR] [--resume RUN] [--SECTION.OPTION X ...]",
        description="Train an image classifier, test its weights, and say where the run is. Without arguments: the "
        "digits that scikit-learn ships. With --data-dir alone: your own images, one folder per class.",
        epilog=f"Recipes are in {CONFIGS}. Every option can also be set in such a file.",
    )
    parser.set_defaults(given=[])
    parser.add_argument("-h", "--help", action="store_true", help="show this help message and exit")
    for name, (metavar, text) in GENERAL.items():
        kind = str if name in ("config", "recipe") else lambda path: str(expanded(path))
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=text)
    for section, owner in SECTIONS.items():
        parser.add_section(section, owner, SHORT_NAMES, recipe.get(section, {}))
    for name in {word.partition("=")[0] for word in argv if word.startswith(f"--{NETWORK_OPTIONS}.")}:
        parser.add_given(name[2:], parser)
    return parser


def _print_help(arguments: argparse.Namespace) -> NoReturn:
    """Print the help, with the values of the recipe that a run with these arguments would use, and exit."""
    recipe: dict[str, Any] = {}
    if arguments.resume is None:
        named = {name[:-5]: {"name": text} for name, text in arguments.given if name.endswith(".name")}
        recipe = read_recipe(recipe_path(arguments.config, {**named, "data_dir": arguments.data_dir}))
    parser = _train_parser([], recipe)
    if recipe:
        parser.description = (
            f"{parser.description} The defaults shown are those of the recipe {recipe['recipe']}."
        )
    parser.print_help()
    sys.exit(0)


def _check_choices(config: RunConfig, given: Mapping[str, Any]) -> None:
    """Raise UsageError for an unknown name, or for an option that the chosen optimizer or schedule ignores."""
    try:
        model_path(config.model.name)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    check_names(config)
    for section, owner in SECTIONS.items():
        for key in given.get(section, {}):
            users = options_of(owner)[key].used_by
            if users and (chosen := getattr(config, section).name) not in users:
                raise UsageError(
                    f"--{section}.{key} has no effect with {section}.name {chosen}, only with {', '.join(users)}; "
                    f"leave it out, or choose --{section}.name"
                )
