"""Format Markdown tables, and rewrite the parts of documents that stand between two comments."""

from collections.abc import Iterable
from pathlib import Path

from datasets.storage.atomic import write_text
from learning.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"  # holds the part "speed"
RECIPES = ROOT / "docs" / "recipes.md"  # holds the part "recipes"
RESULTS = ROOT / "benchmarks" / "results"


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; every row has as many cells as the header."""
    head, *body = (list(line) for line in (header, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


def rewrite(path: Path, part: str, content: str) -> None:
    """Put `content` between the lines `<!-- begin PART -->` and `<!-- end PART -->` of a Markdown file.

    :raises UsageError: the file does not hold these two lines once each, in this order.
    """
    begin, end = f"<!-- begin {part} -->", f"<!-- end {part} -->"
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise UsageError(f"{path} must hold the lines {begin} and {end}, once each; put them back")
    before, rest = text.split(begin)
    write_text(path, f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}")
