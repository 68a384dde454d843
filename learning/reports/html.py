"""A page for a browser in one HTML file: sections of tables, text and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import numpy as np

from datasets.storage.atomic import write_text


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page: a heading, then those of table, text and images that are given.

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


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fafafa; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid #ddd; }
h1, h2 { overflow-wrap: anywhere; }
nav a { margin-right: 1rem; color: #35618f; text-decoration: none; white-space: nowrap; }
.wide { overflow-x: auto; margin-bottom: 1.25rem; }
table { border-collapse: collapse; background: #fff; border: 1px solid #e2e2e2; font-size: .92rem; }
th, td { padding: .35rem .9rem; text-align: left; border-bottom: 1px solid #eee; }
th { background: #f1f3f5; font-weight: 600; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { background: #fff; border: 1px solid #e2e2e2; padding: 1rem; font-size: .85rem; line-height: 1.35; }
figure { margin: 0 0 1.5rem; }
img { max-width: 100%; background: #fff; border: 1px solid #e2e2e2; }
figcaption { color: #666; font-size: .9rem; }
"""


def write_page(path: str | Path, *, title: str, sections: Sequence[Section]) -> None:
    """Write one HTML file that shows a finished run: no scripts, no address outside its own folder.

    :param path: the file; the images of the sections are linked, not copied.
    :param title: shown at the top and as the window's title.
    :raises ValueError: an image that is not in the page's folder or below, or a row of another length than
        the table's header.
    """
    links = [f'<a href="#s{k}">{escape(section.heading)}</a>' for k, section in enumerate(sections)]
    body = [_section_html(f"s{k}", section) for k, section in enumerate(sections)]
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body><main>
<h1>{escape(title)}</h1>
<nav>{" ".join(links)}</nav>
{"".join(body)}</main></body>
</html>
"""
    write_text(Path(path), page.encode("utf-8", "replace").decode("utf-8"))


def _section_html(anchor: str, section: Section) -> str:
    parts = [f'<h2 id="{anchor}">{escape(section.heading)}</h2>']
    if section.columns or section.rows:
        parts.append(_table_html(section))
    if section.text:
        parts.append(f'<div class="wide"><pre>{escape(section.text)}</pre></div>')
    for image, caption in section.images:
        source, shown = quote(_checked_link(image), errors="surrogateescape"), escape(caption)
        parts.append(f'<figure><img src="{source}" alt="{shown}"><figcaption>{shown}</figcaption></figure>')
    return f"<section>\n{chr(10).join(parts)}\n</section>\n"


def _table_html(section: Section) -> str:
    for row in section.rows:
        if section.columns and len(row) != len(section.columns):
            raise ValueError(
                f"a row of section {section.heading!r} has {len(row)} cells for "
                f"{len(section.columns)} columns: {list(row)}; give one cell for each column"
            )
    header = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    rows = [f"<tr>{''.join(map(_cell_html, row))}</tr>\n" for row in section.rows]
    head = f"<thead><tr>{header}</tr></thead>\n" if header else ""
    return f'<div class="wide"><table>\n{head}<tbody>\n{"".join(rows)}</tbody>\n</table></div>'


def _cell_html(value: object) -> str:
    if value is None:
        return '<td class="number">&ndash;</td>'
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return f"<td>{escape(str(value))}</td>"
    if isinstance(value, float | np.floating):
        usual = value == 0 or 0.01 <= abs(value) < 10  # scores and losses, one below the other
        return f'<td class="number">{value:{".4f" if usual else ".4g"}}</td>'
    return f'<td class="number">{value}</td>'


def _checked_link(image: str) -> str:
    """A path that stays in the page's folder; ValueError for anything that leads elsewhere."""
    parts = PurePosixPath(image).parts
    if not parts or image.startswith("/") or ".." in parts or "\\" in image or ":" in parts[0]:
        raise ValueError(
            f"the image {image!r} is not in the page's folder; give a path relative to it, below it"
        )
    return image
