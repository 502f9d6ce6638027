"""Charts as values, drawn by the macro `chart` of parts.html: SVG that stretches with the page, words in HTML.

Places are percent of the chart's sides, from the left and from the top.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MARKS = 6
"""Marks on an axis at most: their numbers have room beside each other at 600 pixels."""

Point = tuple[float, float]
Mark = tuple[float, str]
"""A place on an axis and what stands there."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to percent of a chart's side."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        """Place of a value, 0 to 100."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def marks(self) -> list[Mark]:
        """Round values within the scale, not too many: steps of 1, 2 or 5 times a power of ten."""
        least = (self.high - self.low) / MARKS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [count * step for count in range(first, last + 1)]
        return [(self(value), f"{value:,.{digits}f}" if digits < 4 else f"{value:.3g}") for value in values]


def fitting(
    values: Iterable[float], *, least: float = 0.0, within: tuple[float, float] = (-math.inf, math.inf)
) -> Scale:
    """A scale that holds all finite values with some room (at least `least`), inside `within`."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    room = max(0.08 * (high - low), least) or abs(high) / 10 or 1.0
    return Scale(max(within[0], low - room), min(within[1], high + room))


@dataclass(frozen=True, slots=True)
class Stroke:
    """A path of the SVG and its classes in the style sheet, which give it colour and width."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Badge:
    """A small round label on the chart."""

    x: float
    y: float
    text: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: strokes, marks at the left (`up`) and below (`across`), a legend of (text, class)."""

    label: str
    strokes: Sequence[Stroke]
    up: Sequence[Mark] = ()
    across: Sequence[Mark] = ()
    caption: str = ""
    legend: Sequence[tuple[str, str]] = ()
    badges: Sequence[Badge] = ()
    small: bool = False


def line(points: Iterable[Point], kind: str) -> Stroke:
    """Straight lines from point to point."""
    return Stroke("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), kind)


def dot(x: float, y: float, kind: str) -> Stroke:
    """A line without length and with round ends: it stays a circle however the chart is stretched."""
    return Stroke(f"M{x:.1f} {y:.1f}h0", f"dot {kind}")


def upward(scale: Scale) -> tuple[list[Mark], list[Stroke]]:
    """The marks at the left of a chart whose values grow upwards, and the lines of its grid."""
    marks = [(round(100 - place, 2), text) for place, text in scale.marks()]
    return marks, [line([(0, place), (100, place)], "grid") for place, _ in marks]


def curve(label: str, xs: Sequence[float], ys: Sequence[float], *, caption: str = "") -> Chart:
    """A line with a dot for each value; values that are not finite are left out."""
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    if not points:
        return Chart(label, ())
    across, up = Scale(0, max(1.0, *xs)), fitting(y for _, y in points)
    placed = [(across(x), 100 - up(y)) for x, y in points]
    marks, grid = upward(up)
    drawn = [*grid, line(placed, "curve tied"), *(dot(x, y, "tied fine") for x, y in placed)]
    return Chart(label, drawn, marks, across.marks(), caption)


def histogram(
    label: str,
    low: float,
    high: float,
    groups: Sequence[tuple[str, str, Sequence[float]]],
    *,
    caption: str = "",
    small: bool = False,
) -> Chart:
    """Counts in equal bins from low to high: (name, class, counts) of each group, each as high as its highest bin."""
    strokes = []
    for _, kind, counts in groups:
        highest, width = max(*counts, 1e-9), 100 / len(counts)
        steps = (f"V{100 - 96 * n / highest:.1f}H{(at + 1) * width:.1f}" for at, n in enumerate(counts))
        strokes.append(Stroke(f"M0 100{''.join(steps)}V100Z", f"area {kind}"))
    legend = [(name, kind) for name, kind, _ in groups]
    return Chart(label, strokes, (), Scale(low, high).marks(), caption, legend, small=small)
