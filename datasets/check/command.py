"""Check images before training: `python -m datasets.check DIR`. Decode each once and change nothing."""

import io
import json
import os
import sys
import traceback
from collections.abc import Sequence

from datasets.check.inspection import inspect
from datasets.check.report import Report, lines_of, report_of
from datasets.errors import DataError, StorageError, UsageError, escape_name, is_storage_condition
from datasets.images.hidden_warnings import without_warnings
from datasets.options.script_parser import ScriptParser
from datasets.storage.atomic import write_text
from datasets.storage.paths import expanded

_NAME = "datasets.check"


def main(argv: Sequence[str] | None = None) -> int:
    """Check images, print the report, and return the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have characters that the stream lacks
    try:
        return _check(arguments)
    except BrokenPipeError:  # the reader of the output is gone, as in `... | head`
        return 141
    except KeyboardInterrupt:
        sys.stderr.write(f"{_NAME}: interrupted\n")
        return 130
    except (UsageError, DataError, StorageError, OSError, MemoryError) as error:
        told = _told(error)
        if told is None or "--debug" in arguments:
            traceback.print_exc()
        if told is None:
            return 1
        sys.stderr.write(f"{_NAME}: {' '.join(str(told).split())}\n")
        return told.exit_code


def _told(error: Exception) -> UsageError | DataError | StorageError | None:
    """Return the error to report; None for a defect of the project."""
    if isinstance(error, UsageError | DataError | StorageError):
        return error
    if isinstance(error, MemoryError):
        return StorageError("out of memory: close other programs")
    return StorageError(str(error)) if is_storage_condition(error) else None


def _check(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    output = None if arguments.json is None else expanded(arguments.json)
    if output is not None and not output.absolute().parent.is_dir():
        raise StorageError(f"there is no folder for --json '{escape_name(output)}'; create it first")
    with without_warnings():  # the report contains them
        report = report_of(inspect(arguments.path))
    if output is not None:  # before printing, which fails if the reader is gone
        try:
            write_text(output, json.dumps(report, indent=1) + "\n")
        except OSError as error:
            raise StorageError(
                f"the report cannot be written to '{escape_name(output)}' ({error.strerror}); choose another --json"
            ) from error
    _print(report)
    return DataError.exit_code if report["unreadable"] or report["layout"] else 0


def _parser() -> ScriptParser:
    parser = ScriptParser(
        prog=f"python -m {_NAME}",
        description="Check images before training on them. Each is decoded once; nothing is changed or kept. "
        "Lists files that cannot be read and why, unusual images (grey, CMYK, palette, transparent, 16 bits, "
        "animated, turned by EXIF, a suffix of another format), files that are not images, empty folders, "
        "images that occur more than once (the same upright pixels, or nearly the same picture in any format and "
        "size) within and across train, val and test, sizes, and the number of images of each class and part.",
        epilog="Exit codes: 0 all images can be read and trained on, 2 usage, 3 some cannot or there are none, "
        "6 the report cannot be written.",
    )
    parser.add_argument(
        "path",
        metavar="DIR",
        help="folder, zip or tar of images, as for train.py --data-dir, of any data set",
    )
    parser.add_argument("--json", metavar="FILE", help="also write everything that was found to this file")
    return parser


def _print(report: Report) -> None:
    if sys.stdout is None:  # closed by the caller
        return
    try:
        sys.stdout.write("\n".join([*lines_of(report), ""]))
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try again on exit
        if isinstance(error, BrokenPipeError):
            raise
        raise StorageError(
            f"the report cannot be printed ({error.strerror}); send it elsewhere, or use --json"
        ) from error
