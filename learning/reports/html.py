"""Write one HTML file from sections of tables, text and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import jinja2
import numpy as np

from datasets.storage.atomic import write_text

TEMPLATE = "page.html.jinja"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page: a heading, then the table, the text and the images that are given."""

    heading: str  # also in the table of contents
    columns: Sequence[str] = ()  # the table's header
    rows: Sequence[Sequence[object]] = ()  # numbers are right-aligned, with 4 digits; None is a dash
    text: str = ""  # shown literally, in letters of equal width
    images: Sequence[tuple[str, str]] = ()  # path relative to the page, in its folder or below; caption


def write_page(path: str | Path, *, title: str, sections: Sequence[Section]) -> None:
    """Write the HTML file `path`, without scripts or addresses outside its folder; images are linked, not copied.

    :raises ValueError: an image is not in the page's folder or below, or a row does not fit the table's header.
    """
    for section in sections:
        _check(section)
    loader, undefined = jinja2.FileSystemLoader(Path(__file__).parent), jinja2.StrictUndefined
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=undefined)
    environment.filters |= {"digits": _digits, "address": partial(quote, errors="surrogateescape")}
    page = environment.get_template(TEMPLATE).render(title=title, sections=sections)
    write_text(Path(path), page.encode("utf-8", "replace").decode("utf-8"))


def _check(section: Section) -> None:
    for row in section.rows:
        if section.columns and len(row) != len(section.columns):
            raise ValueError(
                f"a row of section {section.heading!r} has {len(row)} cells for "
                f"{len(section.columns)} columns: {list(row)}; give one cell for each column"
            )
    for image, _ in section.images:
        parts = PurePosixPath(image).parts
        if not parts or image.startswith("/") or ".." in parts or "\\" in image or ":" in parts[0]:
            raise ValueError(
                f"the image {image!r} is not in the page's folder; give a path relative to it, below it"
            )


def _digits(number: object) -> str:
    """Return the text of a number in a cell: scores and losses have 4 digits."""
    if not isinstance(number, float | np.floating):
        return str(number)
    usual = number == 0 or 0.01 <= abs(number) < 10
    return f"{number:.4f}" if usual else f"{number:.4g}"
