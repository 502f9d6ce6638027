"""The charts of an evaluation: quality against cost, and against the length of what is looked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tellapart.experiments.verdict import Finding, LengthBin, Verdict
from tellapart.pages.charts import Badge, Chart, Point, Scale, Stroke, dot, fitting, line, upward
from tellapart.pages.rendering import milliseconds, number

BADGE_WIDTH, BADGE_HEIGHT = 3.6, 8.0
"""Room of a badge in percent of the chart's sides."""


def quality_scale(values: Sequence[float]) -> Scale:
    """A scale of a measure between 0 and 1."""
    return fitting(values, least=0.01, within=(0.0, 1.0))


def role(finding: Finding, verdict: Verdict) -> str:
    """What a finding is to the reader; also its class in the style sheet."""
    if finding.name == verdict.choice:
        return "choice"
    return "tied" if finding.tied_with_best else "behind"


def cost_chart(verdict: Verdict) -> Chart:
    """Quality against the time of a query: dots with the ranks of the findings."""
    findings = verdict.ranked()
    scale = quality_scale([finding.mean for finding in findings])
    times = [math.log10(max(finding.cost.query_ms, 0.01)) for finding in findings]
    across = Scale(min(times) - 0.15, max(times) + 0.15)
    points = [(across(time), 100 - scale(f.mean)) for time, f in zip(times, findings, strict=True)]
    aside = _apart(points)
    badges = [
        Badge(
            round(x, 1),
            round(y, 1),
            str(rank),
            role(finding, verdict),
            f"{finding.name}: {number(finding.mean)}, {milliseconds(finding.cost.query_ms)}",
        )
        for rank, (finding, (x, y)) in enumerate(zip(findings, aside, strict=True), start=1)
    ]
    marks, grid = upward(scale)
    leads = [
        line([point, badge], "lead") for point, badge in zip(points, aside, strict=True) if point != badge
    ]
    dots = [dot(x, y, role(finding, verdict)) for finding, (x, y) in zip(findings, points, strict=True)]
    decades = [
        (across(power), milliseconds(10**power))
        for power in (d + f for d in range(-2, 6) for f in (0, math.log10(3)))
        if across.low <= power <= across.high
    ]
    return Chart(
        "quality against time",
        [*grid, _frontier(points), *leads, *dots],
        marks,
        decades,
        f"{verdict.measure} against the time of one query (logarithmic). Better: up and left.",
        badges=badges,
    )


def _apart(points: Sequence[Point]) -> list[Point]:
    """Move badges that would cover each other to the side; their dots stay where they are."""
    placed: list[Point] = []
    for x, y in points:
        while any(abs(x - left) < BADGE_WIDTH and abs(y - top) < BADGE_HEIGHT for left, top in placed):
            x += BADGE_WIDTH / 4
        placed.append((x, y))
    return placed


def _frontier(points: Sequence[Point]) -> Stroke:
    """The line through those that nothing beats in both."""
    best, steps = math.inf, ""
    for x, y in sorted(points):
        if y < best:
            best = y
            steps += f"H{x:.1f}V{y:.1f}" if steps else f"M{x:.1f} {y:.1f}"
    return Stroke(steps, "frontier")


def weight_chart(verdict: Verdict) -> Chart | None:
    """Expected gain over the default by the weight of the vectors, with its 90 % interval; None without a hybrid."""
    points = verdict.weights
    if len(points) < 3:
        return None
    scale = fitting([end for each in points for end in (each.low, each.high)], least=0.01)
    across = Scale(0.0, 1.0)
    marks, drawn = upward(scale)
    upper = [(across(each.weight), 100 - scale(each.high)) for each in points]
    lower = [(across(each.weight), 100 - scale(each.low)) for each in points]
    band = line([*upper, *reversed(lower)], "area other")
    middle = [(across(each.weight), 100 - scale(each.expected)) for each in points]
    return Chart(
        "gain by the weight of the vectors",
        [
            *drawn,
            Stroke(f"{band.path}Z", band.kind),
            line(middle, "curve choice"),
            *(dot(x, y, "choice") for x, y in middle),
        ],
        marks,
        across.marks(),
        f"Expected gain in {verdict.measure} over the default's weight, by the weight of the vectors in hybrid"
        " (0: words alone, bm25; 1: vectors alone, knn), with its 90 % interval.",
    )


def length_chart(verdict: Verdict) -> Chart | None:
    """Quality against the length of what is looked for: the choice beside the reference."""
    shown = [verdict.chosen] + [verdict.finding(verdict.reference)] * (verdict.reference != verdict.choice)
    bins = verdict.chosen.lengths
    if len(bins) < 2 or any(len(finding.lengths) != len(bins) for finding in shown):
        return None
    scale = quality_scale([each.mean for finding in shown for each in finding.lengths])
    places = [100 * (at + 0.5) / len(bins) for at in range(len(bins))]
    marks, drawn = upward(scale)
    legend = []
    for finding in shown:
        kind = "choice" if finding.name == verdict.choice else "behind"
        points = [(x, 100 - scale(each.mean)) for x, each in zip(places, finding.lengths, strict=True)]
        drawn += [line(points, f"curve {kind}"), *(dot(x, y, kind) for x, y in points)]
        legend.append((finding.name, kind))
    return Chart(
        "quality against length",
        drawn,
        marks,
        [(x, _range(each)) for x, each in zip(places, bins, strict=True)],
        f"{verdict.measure} against the length of the answering unit in characters (in brackets: queries).",
        legend,
    )


def _range(each: LengthBin) -> str:
    span = f"{each.shortest:,}" if each.shortest == each.longest else f"{each.shortest:,}–{each.longest:,}"
    return f"{span} ({each.queries:,})"
