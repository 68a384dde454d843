"""Write a page for the browser as one HTML file, from sections of tables, text and pictures."""

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
    """A part of a page: a heading, then the table, the text and the images that are given.

    :ivar heading: shown above, and in the page's list of contents.
    :ivar columns: the table's header; empty for none.
    :ivar rows: the table's cells; a number is shown to the right, a fraction with 4 digits, None as a dash.
    :ivar text: shown as it stands, in letters of equal width.
    :ivar images: (path relative to the page, caption); a path leads into the page's own folder or below.
    """

    heading: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    text: str = ""
    images: Sequence[tuple[str, str]] = ()


def write_page(path: str | Path, *, title: str, sections: Sequence[Section]) -> None:
    """Write one HTML file that shows a finished run: no scripts, no address outside its own folder.

    :param path: the file; the images of the sections are linked, not copied.
    :param title: shown at the top and as the window's title.
    :raises ValueError: an image that is not in the page's folder or below, or a row of another length than
        the table's header.
    """
    for section in sections:
        _check(section)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"digits": _digits, "address": partial(quote, errors="surrogateescape")}
    page = environment.get_template(TEMPLATE).render(title=title, sections=sections)
    write_text(Path(path), page.encode("utf-8", "replace").decode("utf-8"))


def _check(section: Section) -> None:
    """Raise ValueError for a row that does not fit its header, or an image that is elsewhere."""
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
    """Return a number as a cell shows it: scores and losses, one below the other, with 4 digits."""
    if not isinstance(number, float | np.floating):
        return str(number)
    usual = number == 0 or 0.01 <= abs(number) < 10
    return f"{number:.4f}" if usual else f"{number:.4g}"
