"""Turn a benchmark's steps, options and table into a command that measures, prints and writes its figures."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.hardware import LIMITS, PRECISIONS, emulation, limit_to
from benchmarks.harness.results import Figures, environment
from benchmarks.harness.turns import PATIENCE, Contestant, Rates, measure
from datasets.storage.atomic import check_writable, write_text
from learning.errors import UsageError
from learning.terminal.command import ScriptParser
from models.runtime.cpu import usable_cores

QUICK = {"rounds": 1, "seconds": 0.0, "threads": 0}  # set by --quick; with 0 threads, each library chooses


@dataclass(frozen=True)
class Benchmark:
    """A command of `python -m benchmarks`.

    :ivar name: name of the command, and of its files in benchmarks/results/.
    :ivar text: description; --help shows its first line.
    :ivar steps: generator that yields all figures so far, ready for JSON, after each part of the measurement.
    :ivar table: function that formats these figures, or those of a committed file, as a Markdown table.
    :ivar rounds: default of --rounds; None for a benchmark that measures everything once and has no such option.
    :ivar seconds: default of --seconds; None for a benchmark whose work sets the duration.
    :ivar has_precision: whether the command has --precision.
    :ivar add_options: function that adds further options to the parser.
    """

    name: str
    text: str
    steps: Callable[[argparse.Namespace], Iterator[Figures]]
    table: Callable[[Figures], str]
    rounds: int | None = None
    seconds: float | None = None
    has_precision: bool = False
    add_options: Callable[[ScriptParser], None] | None = None

    def __call__(self, words: Sequence[str]) -> None:
        """Measure with the options in `words`, write the figures after each part, and print their table."""
        arguments = self.parse(words)
        figures = conditions(arguments)
        for found in self.steps(arguments):
            figures |= found
            if arguments.output:
                write_text(arguments.output, json.dumps(figures, indent=1) + "\n")
        print(self.table(figures))

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the checked options; --quick sets rounds, seconds and threads, and --isa sets the environment."""
        arguments = self._parser().parse_args(words)
        if getattr(arguments, "seconds", 0.0) < 0:
            raise UsageError(f"--seconds is {arguments.seconds:g}; give 0 or more")
        if arguments.isa is not None:
            limit_to(arguments.isa)
        if arguments.quick:
            vars(arguments).update({name: value for name, value in QUICK.items() if name in arguments})
        if arguments.output:
            check_writable(arguments.output)
        return arguments

    def _parser(self) -> ScriptParser:
        parser = command_parser(self.name, self.text)
        add, cores = parser.add_argument, usable_cores()
        add("--quick", action="store_true", help="use toy sizes and one round, only to see that it works")
        if self.rounds is not None:
            add("--rounds", type=count, default=self.rounds, help=f"rounds (default: {self.rounds})")
        if self.seconds is not None:
            add("--seconds", type=float, default=self.seconds, help=f"per turn (default: {self.seconds:g})")
        add("--threads", type=count, default=cores, help=f"threads of each library (default: {cores})")
        add("--isa", choices=LIMITS, help="limit the libraries to this instruction set (default: no limit)")
        if self.has_precision:
            add(
                "--precision",
                choices=("fast", *PRECISIONS, "both"),
                default="fast",
                help="fast (the default) skips bfloat16 if the processor emulates it; both never skips it",
            )
        add("--output", type=Path, metavar="FILE", help="file for the figures, as JSON")
        if self.add_options is not None:
            self.add_options(parser)
        return parser


def command_parser(name: str, text: str) -> ScriptParser:
    """Return a command's parser; the first line of `text` describes the command."""
    return ScriptParser(prog=f"python -m benchmarks {name}", description=text.splitlines()[0])


def add_nets(parser: ScriptParser, names: Sequence[str]) -> None:
    """Add the argument `nets`, any of these names."""

    def net(name: str) -> str:
        if name not in names:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(names)}")
        return name

    parser.add_argument("nets", nargs="*", type=net, metavar="NET", help=f"any of {', '.join(names)}")


def count(text: str) -> int:
    """Parse an option's value, a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it is {text}; give a whole number of 1 or more")
    return int(text)


def precisions(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the precisions to measure, without those that `left_out` names."""
    if arguments.precision in PRECISIONS:
        return (arguments.precision,)
    return tuple(name for name in PRECISIONS if name not in left_out(arguments))


def left_out(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what --precision fast leaves out, and why: with emulated bfloat16, a step can take minutes."""
    lack = emulation()
    return {"bfloat16": f"it is emulated: {lack}"} if lack and arguments.precision == "fast" else {}


def conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the conditions: the machine before the measurement, the options, and what is left out."""
    names = ("quick", "rounds", "seconds", "threads")
    options = {name: getattr(arguments, name) for name in names if name in arguments}
    found = {"environment": environment(arguments.threads), "options": options}
    if "precision" in arguments:
        found["left_out_precisions"] = left_out(arguments)
        for name, reason in left_out(arguments).items():
            print(f"{name} is left out: {reason}; --precision bfloat16 measures it", flush=True)
    return found


def measure_as_asked(
    contestants: Mapping[str, Contestant],
    arguments: argparse.Namespace,
    *,
    warm_steps: int,
    patience: float = PATIENCE,
) -> tuple[Rates, dict[str, str]]:
    """Measure with the options' rounds and seconds; --quick stays in this process, with at most one warm step."""
    return measure(
        contestants,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_steps=min(warm_steps, 1) if arguments.quick else warm_steps,
        in_processes=not arguments.quick,
        patience=patience,
    )
