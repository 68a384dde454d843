"""The parts of documents that programs write: what stands between two comments, which readers do not see."""

from pathlib import Path

from learning.errors import UsageError
from learning.files import write_text


def rewrite(path: Path, part: str, content: str) -> None:
    """Put `content` between the lines `<!-- begin PART -->` and `<!-- end PART -->` of a Markdown file.

    :raises UsageError: the lines are not there once each, in that order.
    """
    begin, end = f"<!-- begin {part} -->", f"<!-- end {part} -->"
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise UsageError(f"{path} must hold the lines {begin} and {end}, once each; put them back")
    before, rest = text.split(begin)
    write_text(path, f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}")
