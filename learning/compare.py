"""Compare runs: one table, best first, and one page.

    python -m learning.compare RUNS... [--output DIR]

The table has the scores of each run and the options that differ. With --output, DIR gets a page with the curves of
all runs over each other (index.html), compare.csv and compare.json. If the data or the test sets differ, the first
lines say so.
"""

from pathlib import Path

from datasets.storage.paths import expanded
from learning.terminal.command import ScriptParser, run_script
from learning.terminal.output import outlive_reader


def main() -> None:
    """Parse, compare, print the table and what was written."""
    parser = ScriptParser(prog="python -m learning.compare", description=str(__doc__).splitlines()[0])
    parser.add_argument("runs", nargs="+", type=expanded, metavar="RUN", help="run directories, two or more")
    parser.add_argument(
        "--output",
        type=expanded,
        metavar="DIR",
        help="also write index.html, compare.csv and compare.json there",
    )
    arguments = parser.parse_args()
    from learning.reports.comparison import compare, table, write_comparison  # takes a while

    comparison = compare(arguments.runs)
    written: list[Path] = []
    if arguments.output is not None:
        outlive_reader()  # the results are in files
        written = write_comparison(comparison, arguments.output)
    print("\n".join([*comparison.warnings, *table(comparison), *comparison.notes]))
    if written:
        print(f"written: {', '.join(map(str, written))}")


if __name__ == "__main__":
    run_script(main)
