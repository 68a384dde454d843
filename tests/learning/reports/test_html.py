"""learning/reports/html.py: pages are parsed for their text, pictures and closed tags."""

import base64
import re

import numpy as np
import pytest

from learning.reports.charts import Curve, line_chart
from learning.reports.html import Picture, Section, Shaded, read_picture, write_page
from tests.support.pages import png, read_page


def test_everything_is_on_it(tmp_path):
    data = png(tmp_path / "a.png")
    sections = [
        Section(heading="Recall", columns=["class", "recall"], rows=[("cat", 0.98765), ("dog", None)]),
        Section(heading="Pictures", lines=["a line"], pictures=[Picture(data=data, caption="Curves")]),
        Section(heading="Matrix", rows=[[Shaded("5 (50%)", 0.5)]], points=["a point"]),
    ]
    write_page(tmp_path / "index.html", title="A run", sections=sections)
    page = read_page(tmp_path / "index.html")
    text = " ".join(page.text)
    assert all(part in text for part in ("A run", "Recall", "cat", "0.9877", "\N{EN DASH}", "Curves"))
    assert all(part in text for part in ("a line", "5 (50%)", "a point"))
    assert ("src", f"data:image/png;base64,{base64.b64encode(data).decode()}") in page.attributes
    assert ("href", "#s1") in page.attributes
    assert ("id", "s1") in page.attributes


def test_kinds_of_cells(tmp_path):
    rows = [(1, 12345678, np.float32(0.5), np.int64(7), True, "x", float("nan"), 0.0, 2.5e-7, 12.5)]
    write_page(tmp_path / "index.html", title="t", sections=[Section(heading="h", rows=rows)])
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    number = '<td class="number">'
    cells = f"{number}1</td>{number}12345678</td>{number}0.5000</td>{number}7</td><td>True</td><td>x</td>"
    assert cells + f"{number}nan</td>{number}0.0000</td>{number}2.5e-07</td>{number}12.5</td>" in html
    assert "<thead>" not in html


def test_hostile_texts_stay_texts(tmp_path):
    hostile = "\"'><script>alert(1)</script>&amp;"
    chart = line_chart([Curve(label=hostile, x=[1], y=[2])], x_name=hostile, y_name=hostile, caption=hostile)
    section = Section(
        heading=hostile,
        columns=[hostile],
        rows=[[hostile]],
        text=hostile,
        lines=[hostile],
        points=[hostile],
        charts=[chart],
        pictures=[Picture(data=png(tmp_path / "a.png"), caption=hostile)],
    )
    write_page(
        tmp_path / "index.html",
        title=hostile,
        sections=[section, Section(heading="h", rows=[[Shaded(hostile, 1)]])],
    )
    page = read_page(tmp_path / "index.html")
    assert "script" not in page.tags
    assert ("alt", hostile) in page.attributes
    # title, h1, list of contents, heading, line, point; the chart's title, axes, caption and legend; the picture's
    # caption; header, cell, text, shaded cell
    assert sum(hostile in text for text in page.text) == 6 + 5 + 1 + 4


def test_the_page_needs_no_other_file_and_no_script(tmp_path):
    pictures = [Picture(data=png(tmp_path / "a.png"), caption="c")]
    chart = line_chart([Curve(label="a", x=[1, 2], y=[1, 2])], x_name="x", y_name="y", caption="c")
    section = Section(heading="h", pictures=pictures, charts=[chart])
    write_page(tmp_path / "index.html", title="t", sections=[section])
    html = re.sub(r'"data:image/png;base64,[^"]*"', '""', (tmp_path / "index.html").read_text())
    assert "//" not in html
    assert "<script" not in html and "url(" not in html and "@import" not in html
    page = read_page(tmp_path / "index.html")
    assert all(value.startswith(("#", "data:")) for key, value in page.attributes if key in ("href", "src"))


def test_a_picture_of_another_format(tmp_path):
    section = Section(heading="h", pictures=[Picture(data=b"<svg>", caption="caption")])
    with pytest.raises(ValueError, match="the picture 'caption' cannot be shown: it is neither PNG nor JPEG"):
        write_page(tmp_path / "index.html", title="t", sections=[section])
    assert not list(tmp_path.iterdir())


def test_reading_pictures(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    data = png(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", "c") == Picture(data=data, caption="c")
    assert read_picture(tmp_path / "text.png", "c") is None
    assert read_picture(tmp_path / "missing.png", "c") is None


def test_row_of_another_length(tmp_path):
    section = Section(heading="Recall", columns=["a", "b"], rows=[(1, 2, 3)])
    with pytest.raises(ValueError, match="a row of section 'Recall' has 3 cells for 2 columns"):
        write_page(tmp_path / "index.html", title="t", sections=[section])


def test_letters_that_are_not_unicode(tmp_path):
    write_page(tmp_path / "index.html", title="a\udcff고", sections=[])
    assert "<title>a?고</title>" in (tmp_path / "index.html").read_text(encoding="utf-8")
