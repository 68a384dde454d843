"""README and the pages under docs/: their figures, their links, and the length of README."""

import re
from pathlib import Path

import pytest

from benchmarks.accuracy import reproduce

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")


def anchors(page):
    """Return the anchors that a host makes of the headings of a Markdown page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_results_in_the_readme_are_the_committed_ones():
    rows = re.findall(
        r"^\| ([\w-]+) \| [^|]+ \| ([\d.% /]+) \| ([<\d]+) \|$",
        README.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(rows) == 5
    for recipe, accuracy, minutes in rows:
        row = reproduce.row(recipe)
        assert (accuracy, minutes) == (row["measured"].split(", ")[0], row["minutes"]), recipe


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
