"""Charts as SVG that stretches with the page, its lines and dots keeping their width; words stay in HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tellapart.experiments.report.markup import Html, breakable, element, interval, join, milliseconds, number
from tellapart.experiments.verdict import Finding, LengthBin, Verdict

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
"""Distances between marks on an axis of quality."""

MARKS = 6
"""Marks on an axis at most."""

BADGE_WIDTH, BADGE_HEIGHT = 3.6, 8.0
"""Room of a badge in percent of the chart's sides."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to percent of a chart's side."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        """Place of a value, 0 to 100."""
        return 100 * (value - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        """Round values within the scale, not too many."""
        step = next((s for s in STEPS if (self.high - self.low) / s <= MARKS), STEPS[-1])
        first = math.ceil(round(self.low / step, 9))
        return [count * step for count in range(first, int(self.high / step + 1e-9) + 1)]


def quality_scale(values: Sequence[float]) -> Scale:
    """A scale that holds all values with some room, within 0 and 1."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    room = max(0.08 * (high - low), 0.01)
    return Scale(max(0.0, low - room), max(min(1.0, high + room), low + 0.02))


def ordered(verdict: Verdict) -> list[Finding]:
    """Findings by mean, best first: the order, and the numbers, of every chart and table."""
    return sorted(verdict.findings, key=lambda finding: (-finding.mean, finding.name))


def role(finding: Finding, verdict: Verdict) -> str:
    """What a finding is to the reader; also its colour."""
    if finding.name == verdict.choice:
        return "choice"
    return "tied" if finding.tied_with_best else "behind"


def intervals(verdict: Verdict) -> Html:
    """A row for each configuration: its mean and the interval that holds it."""
    findings = ordered(verdict)
    ends = [end for f in findings for end in (f.low, f.high, f.mean)]
    scale = quality_scale(ends)
    reference = scale(verdict.finding(verdict.reference).mean)
    rows = [
        element(
            "li",
            element("span", str(rank), class_="rank"),
            element("span", _name(finding, verdict), class_="name"),
            _bar(finding, scale, reference, role(finding, verdict)),
            element("span", number(finding.mean), class_="mean"),
            element("span", _word(finding, verdict), class_="word"),
            class_=role(finding, verdict),
        )
        for rank, finding in enumerate(findings, start=1)
    ]
    axis = element("div", *(_mark(scale(mark), f"{mark:.2f}") for mark in scale.marks()), class_="axis")
    foot = element("li", axis, class_="foot", aria_hidden="true")
    return element("ol", *rows, foot, class_="intervals")


def _name(finding: Finding, verdict: Verdict) -> Html:
    tags = [
        word
        for word, name in (("default", verdict.default), ("reference", verdict.reference))
        if name == finding.name
    ]
    return join([breakable(finding.name), *(element("small", tag, class_="tag") for tag in tags)])


def _word(finding: Finding, verdict: Verdict) -> str:
    if finding.name == verdict.choice:
        return "the choice"
    if finding.tied_with_best:
        return "as good" if finding.non_inferior else "tied"
    return ""


def _bar(finding: Finding, scale: Scale, reference: float, kind: str) -> Html:
    spoken = f"{finding.name}: {number(finding.mean)}, {interval(finding.low, finding.high)}"
    lines = [_line(reference, 0, reference, 100, "reference")]
    if math.isfinite(finding.low) and math.isfinite(finding.high):
        lines.append(_line(scale(finding.low), 50, scale(finding.high), 50, f"span {kind}"))
    lines.append(_dot(scale(finding.mean), 50, kind))
    return _svg(lines, spoken)


def costs(verdict: Verdict) -> Html:
    """Quality against the time of a query: dots with the numbers of the rows above."""
    findings = ordered(verdict)
    scale = quality_scale([finding.mean for finding in findings])
    times = [max(finding.cost.query_ms, 0.01) for finding in findings]
    across = Scale(math.log10(min(times)) - 0.15, math.log10(max(times)) + 0.15)
    points = [
        (across(math.log10(time)), 100 - scale(f.mean)) for time, f in zip(times, findings, strict=True)
    ]
    aside = _apart(points)
    badges = [
        element(
            "span",
            str(rank),
            class_=f"badge {role(finding, verdict)}",
            style=f"left:{x:.1f}%;top:{y:.1f}%",
            title=f"{finding.name}: {number(finding.mean)}, {milliseconds(finding.cost.query_ms)}",
        )
        for rank, (finding, (x, y)) in enumerate(zip(findings, aside, strict=True), start=1)
    ]
    leads = [
        _line(*point, *badge, "lead") for point, badge in zip(points, aside, strict=True) if point != badge
    ]
    dots = [_dot(x, y, role(finding, verdict)) for finding, (x, y) in zip(findings, points, strict=True)]
    grid = [_line(0, 100 - scale(mark), 100, 100 - scale(mark), "grid") for mark in scale.marks()]
    marks = [
        element("span", f"{mark:.2f}", class_="mark", style=f"top:{100 - scale(mark):.1f}%")
        for mark in scale.marks()
    ]
    decades = [
        _mark(across(power), milliseconds(10**power))
        for power in (d + f for d in range(-2, 6) for f in (0, math.log10(3)))
        if across.low <= power <= across.high
    ]
    return element(
        "div",
        element(
            "div",
            *marks,
            _svg([*grid, _frontier(points), *leads, *dots], "quality against time"),
            *reversed(badges),
            class_="plane",
        ),
        element("div", *decades, class_="axis"),
        element(
            "p", "time of one query, logarithmic; further up and to the left is better", class_="caption"
        ),
        class_="scatter",
    )


def _apart(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Move badges that would cover each other to the side; their dots stay where they are."""
    placed: list[tuple[float, float]] = []
    for x, y in points:
        while any(abs(x - left) < BADGE_WIDTH and abs(y - top) < BADGE_HEIGHT for left, top in placed):
            x += BADGE_WIDTH / 4
        placed.append((x, y))
    return placed


def _frontier(points: Sequence[tuple[float, float]]) -> Html:
    """The line through those that nothing beats in both."""
    best, kept = math.inf, []
    for x, y in sorted(points):
        if y < best:
            best = y
            kept.append((x, y))
    path = f"M{kept[0][0]:.1f} {kept[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in kept[1:])
    return element("path", d=path, class_="frontier", vector_effect="non-scaling-stroke")


def lengths(verdict: Verdict) -> Html | None:
    """Quality against the length of what is looked for: the choice beside the reference."""
    shown = [verdict.chosen] + [verdict.finding(verdict.reference)] * (verdict.reference != verdict.choice)
    bins = verdict.chosen.lengths
    if len(bins) < 2 or any(len(finding.lengths) != len(bins) for finding in shown):
        return None
    scale = quality_scale([each.mean for finding in shown for each in finding.lengths])
    places = [100 * (at + 0.5) / len(bins) for at in range(len(bins))]
    drawn: list[Html] = [
        _line(0, 100 - scale(mark), 100, 100 - scale(mark), "grid") for mark in scale.marks()
    ]
    for finding in shown:
        kind = "choice" if finding.name == verdict.choice else "behind"
        heights = [100 - scale(each.mean) for each in finding.lengths]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(places, heights, strict=True))
        drawn.append(element("path", d=path, class_=f"curve {kind}", vector_effect="non-scaling-stroke"))
        drawn += [_dot(x, y, kind) for x, y in zip(places, heights, strict=True)]
    marks = [
        element("span", f"{m:.2f}", class_="mark", style=f"top:{100 - scale(m):.1f}%") for m in scale.marks()
    ]
    names = [_mark(x, _range(each)) for x, each in zip(places, bins, strict=True)]
    legend = [
        element(
            "span", finding.name, class_=f"key {'choice' if finding.name == verdict.choice else 'behind'}"
        )
        for finding in shown
    ]
    return element(
        "div",
        element("p", *legend, class_="legend"),
        element("div", *marks, _svg(drawn, "quality against length"), class_="plane"),
        element("div", *names, class_="axis"),
        element(
            "p", "characters of the unit that answers, and in brackets how many queries", class_="caption"
        ),
        class_="scatter",
    )


def _range(each: LengthBin) -> str:
    span = f"{each.shortest:,}" if each.shortest == each.longest else f"{each.shortest:,}–{each.longest:,}"
    return f"{span} ({each.queries:,})"


def _mark(place: float, text: str) -> Html:
    return element("span", text, style=f"left:{place:.1f}%")


def _svg(children: Sequence[Html], spoken: str) -> Html:
    return element(
        "svg", *children, viewBox="0 0 100 100", preserveAspectRatio="none", role="img", aria_label=spoken
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return element(
        "path", d=f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", class_=kind, vector_effect="non-scaling-stroke"
    )


def _dot(x: float, y: float, kind: str) -> Html:
    """A line without length and with round ends: it stays a circle however the chart is stretched."""
    return element("path", d=f"M{x:.1f} {y:.1f}h0", class_=f"dot {kind}", vector_effect="non-scaling-stroke")
