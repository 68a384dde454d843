"""README and the pages under docs/: their figures, their links, and the length of README."""

import re
import shlex
from pathlib import Path

import pytest

from learning.programs.command_line import parse_train

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")


def anchors(page):
    """Return the anchors that a host makes of the headings of a Markdown page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def cells(page):
    """Return the cells of each row of the tables in a page."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_results_in_the_readme_are_those_of_the_page_of_recipes():
    known = {row[0]: row for row in cells(ROOT / "docs" / "recipes.md")}
    rows = [row for row in cells(README) if row[0] in known and len(row) == 4]
    assert len(rows) == 2 + 5
    for recipe, _, accuracy, minutes in rows[2:]:  # without the header
        _, _, _, measured, _, expected_minutes, _, _ = known[recipe]
        assert (accuracy, minutes) == (measured.split(", ")[0], expected_minutes), recipe


def test_the_readme_is_short_and_links_every_page():
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) < 1300
    assert [page.name for page in PAGES if page != README and f"{page.name})" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_in_the_text_exist(page):
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:datasets|models|learning|tests|configs|examples|pretrained)/[\w/.-]*)`", text)
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []


def command_lines(page):
    """Return the words after `train.py` of each command in a page, and those of each option in its text."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).replace(
        "\\\n", " "
    )
    lines = re.findall(r"^python train\.py(.*)$", blocks, re.MULTILINE)
    lines += re.findall(r"`(--(?:data|model|optimizer|schedule|train)\.\w+ [^`]+)`", text)
    return [shlex.split(line, comments=True) for line in lines]


def test_the_pages_have_command_lines():
    assert sum(len(command_lines(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_command_lines_are_valid(page):
    theirs = re.compile("my_|matthews|--resume|--help")  # what readers have made
    for words in command_lines(page):
        if not any(theirs.match(word) for word in words):
            parse_train(words)
