"""What the commands that measure share: their options, where they work, the post's place, and the output."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness.figures import environment, summary, write
from benchmarks.harness.hardware import PLAYED, PRECISIONS, emulation, play
from benchmarks.harness.sides import PATIENCE, Contestant, Rates, Spread, measure, ratios
from datasets.storage.atomic import check_writable
from learning.errors import UsageError
from learning.machine.cpu import usable_cores
from learning.terminal.command import ScriptParser

POST = "post"  # the way of the AlexNet post: measured, but no peer that the project is held against
PAPER_WIDTHS = ("--model.options.widths", "[16,32,64]")  # of ResNet-20: the fast recipe's last stage is wider
QUICK = {"rounds": 1, "seconds": 0.0, "threads": 0}  # what --quick says; the libraries choose their threads


def measurement_parser(
    program: str, description: str, *, rounds: int | None = None, seconds: float | None = None
) -> ScriptParser:
    """A parser that knows --quick, --rounds, --seconds, --threads, --isa and --output.

    :param program: the module's name in this package.
    :param description: of which the first line is shown.
    :param rounds: the default of --rounds; None: all is measured once, and there is no such option.
    :param seconds: the default of --seconds; None: the work decides how long it takes, and there is no such option.
    """
    parser = _parser(program, description)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="toy sizes, one round, any number of threads, to see that it works: no figures",
    )
    if rounds is not None:
        parser.add_argument(
            "--rounds", type=int, default=rounds, help=f"measurements of each (default: {rounds})"
        )
    if seconds is not None:
        parser.add_argument(
            "--seconds", type=float, default=seconds, help=f"of a measurement (default: {seconds:g})"
        )
    cores = usable_cores()
    parser.add_argument("--threads", type=int, default=cores, help=f"of each library (default: {cores})")
    parser.add_argument(
        "--isa", choices=PLAYED, help="let this processor play one with no more than that (default: as it is)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    return parser


def add_precision(parser: ScriptParser) -> None:
    """--precision, which `precisions` understands."""
    parser.add_argument(
        "--precision",
        choices=("fast", *PRECISIONS, "both"),
        default="fast",
        help="fast (the default): float32, and bfloat16 unless the processor emulates it; both: emulated too",
    )


def parse_measurement(parser: ScriptParser) -> argparse.Namespace:
    """The checked command line; --quick has set rounds, seconds and threads, --isa the environment."""
    arguments = parser.parse_args()
    if arguments.isa is not None:
        play(arguments.isa)
    require_counts(parser, arguments, *(name for name in ("rounds", "threads") if name in arguments))
    seconds = getattr(arguments, "seconds", 0.0)
    if seconds < 0:
        raise UsageError(f"--seconds is {seconds:g}; give 0 or more")
    if arguments.quick:
        vars(arguments).update({name: value for name, value in QUICK.items() if name in arguments})
    if arguments.output:
        check_writable(arguments.output)
    return arguments


def cifar10_parser(program: str, description: str) -> ScriptParser:
    """A parser that knows DATA_DIR and --limit, named and described as by `measurement_parser`."""
    parser = _parser(program, description)
    add_cifar10_options(parser)
    return parser


def add_cifar10_options(parser: ScriptParser) -> None:
    """DATA_DIR and --limit."""
    parser.add_argument("data_dir", metavar="DATA_DIR", help="CIFAR-10: the official archive, or its folder")
    parser.add_argument("--limit", type=int, metavar="N", help="use only so many images of each part, to try")


def precisions(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Those to measure. What --precision says; for `fast` without bfloat16 where `left_out` has it."""
    if arguments.precision in PRECISIONS:
        return (arguments.precision,)
    return tuple(name for name in PRECISIONS if name not in left_out(arguments))


def left_out(arguments: argparse.Namespace) -> dict[str, str]:
    """The precisions that are not measured though nobody said so, and why: bfloat16 can take minutes for a step."""
    lack = emulation()
    return {"bfloat16": f"it is emulated: {lack}"} if lack and arguments.precision == "fast" else {}


def require_counts(parser: ScriptParser, arguments: argparse.Namespace, *options: str) -> None:
    """The parser's error for an option that is below 1; options by their names in the namespace."""
    for option in options:
        if getattr(arguments, option) < 1:
            parser.error(f"--{option.replace('_', '-')} is {getattr(arguments, option)}; give 1 or more")


def _parser(program: str, description: str) -> ScriptParser:
    return ScriptParser(prog=f"python -m benchmarks.{program}", description=description.splitlines()[0])


@contextmanager
def working_folder(folder: Path | None) -> Iterator[Path]:
    """The folder, made if need be and kept; a temporary one where none is given."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name).resolve()


def conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """How the figures are taken, to be asked before they are: the machine, the options, and what is left out."""
    names = ("quick", "rounds", "seconds", "threads")
    options = {name: getattr(arguments, name) for name in names if name in arguments}
    found = {"environment": environment(arguments.threads), "options": options}
    if "precision" in arguments:
        found["left_out_precisions"] = left_out(arguments)
        for name, reason in left_out(arguments).items():
            print(f"{name} is left out: {reason}; --precision bfloat16 measures it", flush=True)
    return found


def keep(arguments: argparse.Namespace, figures: Mapping[str, Any]) -> None:
    """Writes the figures where --output says."""
    if arguments.output:
        write(arguments.output, figures)


def measure_as_asked(
    contestants: Mapping[str, Contestant],
    arguments: argparse.Namespace,
    *,
    warm_steps: int,
    patience: float = PATIENCE,
) -> tuple[Rates, dict[str, str]]:
    """`sides.measure` for the rounds and seconds of the command line; with --quick in this process."""
    return measure(
        contestants,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_steps=warm_steps,
        in_processes=not arguments.quick,
        patience=patience,
    )


def summary_beside_post(
    rates: Rates,
    failures: Mapping[str, str],
    gflop: float | None = None,
    ceilings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """`figures.summary` against the best peer, with the post's rate, and the ratio to that as `ratio_to_post`."""
    found = summary(
        {name: values for name, values in rates.items() if name != POST}, failures, gflop, ceilings
    )
    if POST in rates:
        found["images_per_second"][POST] = Spread.of(rates[POST])._asdict()
        found["ratio_to_post"] = Spread.of(ratios(rates, POST))._asdict()
        found["rates"] = rates
    return found


def print_post(found: Mapping[str, Any]) -> None:
    """The ratio to the post's way, where it was measured."""
    if "ratio_to_post" in found:
        median, smallest, largest = (found["ratio_to_post"][which] for which in ("median", "min", "max"))
        print(f"project / post: {median:.2f} ({smallest:.2f} to {largest:.2f})")
