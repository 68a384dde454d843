"""Draw charts as SVG inside an HTML page, in the page's colours for dark and light mode.

They are a few kilobytes of text and take milliseconds, so that a page can be written after each epoch;
`learning.pictures.plots` draws the pictures that are files of their own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 480, 280  # in SVG units: pixels where the page has room
LEFT, RIGHT, TOP, BOTTOM = 70, 10, 10, 40
MAX_POINTS = 400  # of a curve; more would only make the page larger
NUM_COLOURS = 8  # of the page's style; curves beyond are dashed


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line through points; NaN leaves a gap."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    is_mark: bool = False  # points without a line


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing with a legend below it."""

    svg: Markup
    caption: str
    legend: Sequence[tuple[str, str]] = ()  # CSS class of the curve, label


@dataclass(frozen=True)
class _Axes:
    """The area of a chart: maps values to SVG units, and draws the frame."""

    x: tuple[float, float]
    y: tuple[float, float]
    is_log: bool = False

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the SVG units of a point."""
        low, high = (math.log10(value) if self.is_log else value for value in self.y)
        level = math.log10(y) if self.is_log else y
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (level - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def frame(self, x_name: str, y_name: str, *, whole_x: bool) -> Markup:
        """Return grid lines with their values, and the names of the axes."""
        parts = []
        for value in _ticks(*self.x, whole=whole_x):
            x, _ = self.place(value, self.y[0])
            parts.append(_text(x, HEIGHT - BOTTOM + 16, f"{value:g}", "middle"))
        for value in _decades(*self.y) if self.is_log else _ticks(*self.y):
            _, y = self.place(self.x[0], value)
            parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, y, WIDTH - RIGHT))
            parts.append(_text(LEFT - 6, y + 4, f"{value:.4g}", "end"))
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_name, "middle"))
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(_text(14, middle, y_name, "middle", f"rotate(-90 14 {middle:g})"))
        return Markup("").join(parts)


def line_chart(
    curves: Sequence[Curve],
    *,
    x_name: str,
    y_name: str,
    caption: str,
    is_log: bool = False,
    marked: float | None = None,
) -> Chart | None:
    """Draw curves over each other. A curve without a finite value is left out; None if there is no other.

    :param is_log: y is logarithmic, if all of its values are above 0.
    :param marked: an x with a dashed vertical line.
    """
    drawn = [(curve, points) for curve in curves if len(points := _points(curve))]
    if not drawn:
        return None
    every = np.concatenate([points for _, points in drawn])
    is_log = is_log and bool(every[:, 1].min() > 0)
    axes = _Axes(_span(every[:, 0], pad=0), _log_span(every[:, 1]) if is_log else _span(every[:, 1]), is_log)
    parts = [axes.frame(x_name, y_name, whole_x=True)]
    if marked is not None and axes.x[0] <= marked <= axes.x[1]:
        x, _ = axes.place(marked, axes.y[0])
        parts.append(Markup('<path class="marked" d="M{:.1f} {}V{}"/>').format(x, TOP, HEIGHT - BOTTOM))
    legend = []
    for number, (curve, _) in enumerate(drawn):
        style = f"c{number % NUM_COLOURS}" + (" dashed" if number >= NUM_COLOURS else "")
        parts += _drawn_curve(axes, curve, style)
        legend.append((style, curve.label))
    return Chart(svg=_svg(parts, caption), caption=caption, legend=legend)


def reliability_diagram(bins: Sequence[Mapping[str, Any]], *, caption: str) -> Chart:
    """Draw the accuracy of predictions by their confidence: bars, beside the diagonal of perfect calibration.

    :param bins: lower, upper, count, confidence and accuracy of each, as test.json has them.
    """
    axes = _Axes((0.0, 1.0), (0.0, 1.0))
    parts = [axes.frame("probability of the predicted class", "accuracy", whole_x=False)]
    most = max((int(entry["count"]) for entry in bins), default=0)
    for entry in bins:
        if not entry["count"]:
            continue
        left, top = axes.place(float(entry["lower"]), float(entry["accuracy"]))
        right, bottom = axes.place(float(entry["upper"]), 0.0)
        parts.append(
            Markup(
                '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" opacity="{:.2f}">'
                "<title>{}</title></rect>"
            ).format(
                left + 1, top, right - left - 2, bottom - top, 0.35 + 0.65 * entry["count"] / most,
                f"{entry['count']} images, mean probability {entry['confidence']:.3f}, "
                f"accuracy {entry['accuracy']:.3f}",
            )
        )  # fmt: skip
    (x0, y0), (x1, y1) = axes.place(0, 0), axes.place(1, 1)
    parts.append(Markup('<path class="marked" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(x0, y0, x1, y1))
    return Chart(svg=_svg(parts, caption), caption=caption)


def _svg(parts: Iterable[Markup], caption: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>').format(
        WIDTH, HEIGHT, caption, Markup("").join(parts)
    )


def _text(x: float, y: float, text: str, anchor: str, transform: str = "") -> Markup:
    place = Markup(' transform="{}"').format(transform) if transform else ""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(
        x, y, anchor, place, text
    )


def _points(curve: Curve) -> np.ndarray:
    """Return the finite points of a curve: float64 (M, 2)."""
    return _values(curve)[np.isfinite(_values(curve)).all(axis=1)]


def _values(curve: Curve) -> np.ndarray:
    """Return the points of a curve, at most about MAX_POINTS, with NaN for gaps: float64 (M, 2)."""
    y = [math.nan if value is None else value for value in curve.y]
    values = np.column_stack([np.asarray(curve.x, np.float64), np.asarray(y, np.float64)])
    if len(values) <= MAX_POINTS:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, MAX_POINTS).astype(int))]


def _drawn_curve(axes: _Axes, curve: Curve, style: str) -> list[Markup]:
    """Return the line between gaps, and circles where there are few points, or one alone."""
    values = _values(curve)
    is_there = np.isfinite(values).all(axis=1)
    places = [axes.place(*value) if there else None for value, there in zip(values, is_there, strict=True)]
    steps = []
    for before, place in pairwise([None, *places]):
        if place is not None:
            steps.append(f"{'M' if before is None else 'L'}{place[0]:.1f} {place[1]:.1f}")
    drawn = []
    if not curve.is_mark:
        drawn.append(Markup('<path class="curve {}" d="{}"/>').format(style, "".join(steps)))
    around = pairwise([None, *places, None])
    alone = [after is None or before is None for before, after in around]
    for number, place in enumerate(places):
        is_single = alone[number] and alone[number + 1]
        if place is not None and (curve.is_mark or is_single or len(places) <= 40):
            size = 4.5 if curve.is_mark else 2.2
            drawn.append(
                Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(style, *place, size)
            )
    return drawn


def _span(values: np.ndarray, pad: float = 0.05) -> tuple[float, float]:
    """Return the range of values with a margin, which stays in [0, 1] if they do; a single value gets room."""
    low, high = float(values.min()), float(values.max())
    margin = pad * (high - low)
    if low == high:
        margin = 1.0 if not pad else max(abs(low) * 0.1, 1e-3)
    if pad and 0 <= low <= high <= 1:  # accuracies
        return max(0.0, low - margin), min(1.0, high + margin)
    return low - margin, high + margin


def _log_span(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low / 1.3, high * 1.3


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return about five round numbers in a range."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return powers of ten in a range or, where it has fewer than two, 1, 2 and 5 times these."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside = [10.0**k for k in powers if low <= 10.0**k <= high]
    if len(inside) >= 2:
        return inside[:: math.ceil(len(inside) / 6)]
    return [f * 10.0**k for k in powers for f in (1, 2, 5) if low <= f * 10.0**k <= high]
