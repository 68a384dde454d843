"""Show what a file of weights holds.

python -m models.weights show FILE
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from models.runtime.tensorflow_import import importing_tensorflow
from models.runtime.tensorflow_paths import PathError
from models.weights.errors import WeightsError

PROGRAM = "python -m models.weights"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=argparse.SUPPRESS,  # so that an error is one line
        description="Show files of weights.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="show", prog=PROGRAM)
    show = commands.add_parser("show", help="print what a file of weights holds", usage=argparse.SUPPRESS)
    show.add_argument("source", metavar="FILE", help="a file, the prefix of a checkpoint, or a run directory")
    return parser


def show(source: str) -> str:
    """Return a line for each tensor, sorted by name, and what network they are of."""
    from models.weights.load import map_of, read_source
    from models.weights.readers.limits import shown

    weights = read_source(source)
    shapes = {shown(name): tensor.shape for name, tensor in weights.tensors.items()}
    width = max(map(len, shapes))
    lines = [
        f"{name:<{width}}  {'x'.join(map(str, shape))}".rstrip() for name, shape in sorted(shapes.items())
    ]
    try:
        weights_map = map_of(weights)
        form = "this project's own names" if weights_map is None else weights_map.name
    except WeightsError as error:
        form = str(error)
    count = sum(tensor.size for tensor in weights.tensors.values())
    return "\n".join([*lines, f"{len(lines)} tensors, {count:,} numbers ({weights.kind}): {form}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, do, print. Exit with 2 for a wrong command, with 4 for weights; each is one line on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    args = _parser().parse_args(arguments)
    try:
        with importing_tensorflow():
            importlib.import_module("tensorflow")
        text = show(args.source)
    except (WeightsError, PathError) as error:
        _leave(" ".join(str(error).split()), error.exit_code)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have letters that the stream lacks
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")


def _leave(message: str, code: int) -> NoReturn:
    if sys.stderr is not None:
        sys.stderr.write(f"{PROGRAM}: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
