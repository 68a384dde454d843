"""Parse the command line of every script, with options made from the fields of classes."""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn, get_args, get_origin

from datasets.errors import UsageError, suggestion
from datasets.options.fields import Option, options_of

MOST_LISTED = 20  # options that an error message lists


class ScriptParser(argparse.ArgumentParser):
    """An argparse parser that raises UsageError, suggests options, and has --debug for `run_script`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """Parse all words.

        :raises UsageError: an option is unknown, or an argument is missing or wrong.
        """
        arguments, rest = self.parse_known_args(args, namespace)
        self.refuse(rest)
        return arguments

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the known words and return the others."""
        words = list(sys.argv[1:] if args is None else args)
        for word in words:
            if word.startswith("-") and word.endswith("=--"):  # argparse would crash
                self.error(f"argument {word.removesuffix('=--')}: expected one argument")
        arguments, rest = super().parse_known_args(words, namespace)
        return arguments, [word for word in rest if word != "--"]

    def refuse(self, words: Sequence[str]) -> None:
        """Raise UsageError for words that were not parsed, with a suggestion for an unknown option."""
        for word in words:
            if word.startswith("-"):
                option = word.lstrip("-").partition("=")[0]
                self.error(f"unknown option --{option}; {self._suggestion(option)}")
        if words:
            self.error(f"unrecognized arguments: {' '.join(words)}")

    def _suggestion(self, option: str) -> str:
        """Suggest the option nearest to a misspelt one, by the part after its dot or by its whole name."""
        names = [flag[2:] for flag in self._option_string_actions if flag.startswith("--")]
        known = {name.rpartition(".")[2]: name for name in reversed(names)}  # the first of equal names wins
        if "." in option:
            known = {name: name for name in names if "." in name}
        near = [option] if option in known else difflib.get_close_matches(option, known, n=1, cutoff=0.6)
        if near:
            return f"did you mean --{known[near[0]]}?"
        return suggestion(option, names) if len(names) <= MOST_LISTED else "--help lists all options"

    def add_section(
        self, section: str, owner: type, short_names: Mapping[str, str], defaults: Mapping[str, Any]
    ) -> None:
        """Add the options of a class as a group: --SECTION.OPTION, and --SECTION for several at once.

        The argument `given` becomes a list of their names and texts in the order of the command line.

        :param short_names: other names of options: {"train.profile": "profile"}.
        :param defaults: shown instead of the class's own.
        """
        group = self.add_argument_group(str(owner.__doc__).splitlines()[0].rstrip("."))
        self.add_given(
            section, group, metavar="CONFIG", help="options of this group: a YAML file, or mapping"
        )
        for key, declared in options_of(owner).items():
            name = f"{section}.{key}"
            flags = [short_names[name]] if name in short_names else []
            looks = _looks(name, declared, defaults.get(key, declared.default))
            self.add_given(name, group, *flags, **looks)

    def add_given(
        self, name: str, group: "argparse._ActionsContainer", *short_names: str, **looks: Any
    ) -> None:
        """Add an option whose name and text go into the list `given`."""
        flags = [f"--{flag}" for flag in (*short_names, name)]
        group.add_argument(*flags, dest="given", action="append", type=lambda text: (name, text), **looks)


def _looks(name: str, declared: Option, default: Any) -> dict[str, Any]:
    """Return how argparse shows an option; a bare flag sets a bool to true."""
    kind = declared.annotation
    words = ["true", "false"] if kind is bool else get_args(kind) if get_origin(kind) is Literal else []
    metavar = f"{{{','.join(map(str, words))}}}" if words else name.rpartition(".")[2].upper()
    type_name = getattr(kind, "__name__", str(kind)).replace("None", "null") + " | auto" * declared.auto
    shown = default if isinstance(default, str) else json.dumps(default, default=str)
    notes = f"default: {shown}" if words else f"type: {type_name}, default: {shown}"
    users = f"{', '.join(declared.used_by)}: " if declared.used_by else ""
    looks = {"metavar": metavar, "help": f"{users}{declared.help}. ({notes})".replace("%", "%%")}
    return {**looks, "nargs": "?", "const": (name, "true")} if kind is bool else looks
