"""learning/reports/charts.py: points are where their values are, and gaps stay gaps."""

import math
import re

import pytest

from learning.reports.charts import MAX_POINTS, Curve, line_chart, reliability_diagram


def draw(*curves, **options):
    return line_chart(curves, x_name="epoch", y_name="score", caption="c", **options)


def paths(chart):
    """The points of each curve."""
    found = re.findall(r'class="curve [^"]*" d="([^"]*)"', chart.svg)
    return [re.findall(r"([ML])([\d.]+) ([\d.]+)", path) for path in found]


def texts(chart):
    return re.findall(r"<text[^>]*>([^<]*)</text>", chart.svg)


def test_places():
    [points] = paths(draw(Curve(label="a", x=[0, 5, 10], y=[0.0, 0.5, 1.0])))
    x, y = zip(*((float(x), float(y)) for _, x, y in points), strict=True)
    assert x[1] == pytest.approx((x[0] + x[2]) / 2)
    assert y[1] == pytest.approx((y[0] + y[2]) / 2)
    assert x[0] < x[2] and y[0] > y[2]  # SVG counts from the top


def test_a_logarithmic_axis():
    chart = draw(Curve(label="a", x=[1, 2, 3], y=[1e-4, 1e-3, 1e-2]), is_log=True)
    y = [float(y) for _, _, y in paths(chart)[0]]
    assert y[1] == pytest.approx((y[0] + y[2]) / 2, abs=0.1)
    assert {"0.0001", "0.001", "0.01"} <= set(texts(chart))
    assert paths(draw(Curve(label="a", x=[1, 2], y=[0.0, 1.0]), is_log=True))  # which has no logarithm


def test_gaps_break_the_line():
    chart = draw(Curve(label="a", x=[1, 2, 3, 4, 5], y=[1.0, 2.0, None, math.inf, 2.0]))
    assert [move for move, _, _ in paths(chart)[0]] == ["M", "L", "M"]


def test_curves_without_values():
    assert draw(Curve(label="a", x=[1, 2], y=[None, math.nan])) is None
    chart = draw(Curve(label="empty", x=[1], y=[None]), Curve(label="one", x=[3], y=[7.0]))
    assert chart.legend == [("c0", "one")]
    assert chart.svg.count("<circle") == 1  # a single epoch is a point
    assert "3" in texts(chart)


def test_long_curves_are_thinned_and_keep_their_ends():
    chart = draw(Curve(label="a", x=range(1, 10_001), y=[epoch / 10_000 for epoch in range(1, 10_001)]))
    assert len(paths(chart)[0]) == MAX_POINTS
    assert len(chart.svg) < 12_000


def test_epochs_are_whole_numbers():
    ticks = [text for text in texts(draw(Curve(label="a", x=[1, 2], y=[1, 2]))) if text.isdigit()]
    assert ticks[:2] == ["1", "2"]


def test_many_curves_differ():
    chart = draw(*(Curve(label=str(k), x=[1, 2], y=[k, k]) for k in range(10)))
    assert len({style for style, _ in chart.legend}) == 10


def test_reliability():
    bins = [
        {"lower": 0.0, "upper": 0.5, "count": 0, "confidence": 0.0, "accuracy": 0.0},
        {"lower": 0.5, "upper": 1.0, "count": 8, "confidence": 0.9, "accuracy": 0.5},
    ]
    chart = reliability_diagram(bins, caption="c")
    [(x, width, height)] = re.findall(
        r'<rect class="bar" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"', chart.svg
    )
    (x0, y0), (x1, y1) = (
        (float(a), float(b)) for a, b in re.findall(r"[ML]([\d.]+) ([\d.]+)", chart.svg)[-2:]
    )
    assert float(x) == pytest.approx((x0 + x1) / 2, abs=1.1)
    assert float(width) == pytest.approx((x1 - x0) / 2, abs=2.1)
    assert float(height) == pytest.approx((y0 - y1) / 2, abs=0.2)
    assert "8 images, mean probability 0.900, accuracy 0.500" in chart.svg


@pytest.mark.parametrize("values", [[0.5, 0.9, 1.0], [1.0], [0.0, 0.02]])
def test_an_axis_of_shares_does_not_leave_them(values):
    chart = draw(Curve(label="a", x=list(range(1, len(values) + 1)), y=values))
    shown = [float(text) for text in re.findall(r'text-anchor="end">([^<]*)<', chart.svg)]
    assert 0 <= min(shown) <= max(shown) <= 1


def test_an_axis_of_other_values_has_a_margin():
    chart = draw(Curve(label="a", x=[1, 2], y=[0.1, 1.9]))
    assert all(10 < float(y) < 240 for _, _, y in paths(chart)[0])
