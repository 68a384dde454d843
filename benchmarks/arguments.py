"""What the command lines of the measurements on CIFAR-10 share."""

import argparse

from learning.scripts import ScriptParser


def cifar10_parser(program: str, description: str) -> ScriptParser:
    """A parser that knows DATA_DIR and --limit.

    :param program: the module's name in this package.
    :param description: of which the first line is shown.
    """
    parser = ScriptParser(prog=f"python -m benchmarks.{program}", description=description.splitlines()[0])
    parser.add_argument("data_dir", metavar="DATA_DIR", help="CIFAR-10: the official archive, or its folder")
    parser.add_argument("--limit", type=int, metavar="N", help="use only so many images of each part, to try")
    return parser


def require_counts(parser: ScriptParser, arguments: argparse.Namespace, *options: str) -> None:
    """The parser's error for an option that is below 1; options by their names in the namespace."""
    for option in options:
        if getattr(arguments, option) < 1:
            parser.error(f"--{option.replace('_', '-')} is {getattr(arguments, option)}; give 1 or more")
