"""Write one HTML file, without other files or scripts, from sections of text, tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets.storage.atomic import write_text
from learning.pictures.in_memory import KINDS, data_uri
from learning.reports.charts import Chart
from learning.reports.templates import page_text

TEMPLATE = Path(__file__).with_name("page.html.jinja")
MAX_PICTURE_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The bytes of a PNG or JPEG file that the page contains."""

    data: bytes = field(repr=False)
    caption: str
    is_pixels: bool = False  # enlarged, its pixels stay sharp

    @property
    def address(self) -> str:
        """Return the data URI. ValueError for bytes of another format."""
        try:
            return data_uri(self.data)
        except ValueError as error:
            raise ValueError(f"the picture {self.caption!r} cannot be shown: {error}") from error


@dataclass(frozen=True)
class Shaded:
    """A cell of a table, darker for a larger share."""

    text: str  # with line breaks
    share: float  # in [0, 1]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page: a heading, then lines, charts, pictures, a table and text, if given."""

    heading: str  # also in the table of contents
    lines: Sequence[str] = ()  # a paragraph each
    points: Sequence[str] = ()  # of a list
    charts: Sequence[Chart | None] = ()  # side by side where there is room; None is left out
    pictures: Sequence[Picture] = ()
    are_thumbnails: bool = False  # the pictures are small and stand side by side
    columns: Sequence[str] = ()  # the table's header
    rows: Sequence[Sequence[object]] = ()  # numbers are right-aligned, with 4 digits; None is a dash
    text: str = ""  # shown literally, in letters of equal width
    is_folded: bool = False  # the table and the text are shown when they are asked for


def write_page(path: str | Path, *, title: str, sections: Sequence[Section]) -> None:
    """Write the HTML file `path`, with its pictures inside; texts are escaped.

    :raises ValueError: a picture is neither PNG nor JPEG, or a row does not fit the table's header.
    """
    for section in sections:
        _check(section)
    page = page_text(
        TEMPLATE,
        {"title": title, "sections": sections},
        filters={"digits": digits},
        tests={"shaded": lambda value: isinstance(value, Shaded)},
    )
    write_text(Path(path), page)


def read_picture(path: Path, caption: str) -> Picture | None:
    """Return a PNG or JPEG file as a picture; None if there is no such file, or it is too large for a page."""
    if not path.is_file() or path.stat().st_size > MAX_PICTURE_BYTES:
        return None
    data = path.read_bytes()
    return Picture(data=data, caption=caption) if data.startswith(tuple(KINDS)) else None


def _check(section: Section) -> None:
    for row in section.rows:
        if section.columns and len(row) != len(section.columns):
            raise ValueError(
                f"a row of section {section.heading!r} has {len(row)} cells for "
                f"{len(section.columns)} columns: {list(row)}; give one cell for each column"
            )


def digits(number: object) -> str:
    """Return the text of a number in a cell: scores and losses have 4 digits."""
    if not isinstance(number, float | np.floating):
        return str(number)
    usual = number == 0 or 0.01 <= abs(number) < 10
    return f"{number:.4f}" if usual else f"{number:.4g}"
