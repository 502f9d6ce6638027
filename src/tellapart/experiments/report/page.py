"""What the template `evaluation.html` shows of a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tellapart.experiments.report.charts import cost_chart, length_chart, ordered, quality_scale, role
from tellapart.experiments.report.contents import Contents
from tellapart.experiments.textfiles import replacing
from tellapart.experiments.verdict import Finding, Verdict
from tellapart.pages.figures import breakable, number
from tellapart.pages.rendering import render_page


def render(contents: Contents) -> str:
    """Write the page; the same contents give the same characters."""
    verdict, findings = contents.verdict, ordered(contents.verdict)
    names = (verdict.choice, verdict.best.name, verdict.default, verdict.reference)
    compared = list(dict.fromkeys(names))
    return render_page(
        "evaluation.html",
        title=f"{contents.title}: {verdict.choice}",
        contents=contents,
        verdict=verdict,
        findings=findings,
        reference=verdict.finding(verdict.reference),
        scale=quality_scale([end for each in findings for end in (each.low, each.high, each.mean)]),
        role=lambda finding: role(finding, verdict),
        compared=compared,
        sources=_by_source(verdict, compared),
        categories=_by_category(verdict, contents.categories, compared),
        units=_by_granularity(findings),
        cost_chart=cost_chart(verdict),
        length_chart=length_chart(verdict),
    )


def write_report(contents: Contents, path: Path) -> None:
    """Write the page to a file, whole or not at all."""
    page = render(contents)
    with replacing(path) as stream:
        stream.write(page)


Row = tuple[str, ...]


def _by_source(verdict: Verdict, compared: list[str]) -> list[Row]:
    if len(verdict.by_source) == 1 and verdict.by_source[0].overlap is None:
        return []
    return [
        (
            each.name,
            f"{each.queries:,}",
            "–" if each.overlap is None else f"{each.overlap:.0%}",
            *(number(each.means.get(name, math.nan)) for name in compared),
        )
        for each in verdict.by_source
    ]


def _by_category(verdict: Verdict, categories: Mapping[str, str], compared: list[str]) -> list[Row]:
    members: dict[str, list[str]] = {}
    for query in verdict.queries:
        members.setdefault(categories.get(query, ""), []).append(query)
    values = [verdict.finding(name).per_query for name in compared]
    return [
        (
            name or "(none)",
            f"{len(queries):,}",
            *(number(float(np.mean([of[query] for query in queries]))) for of in values),
        )
        for name, queries in sorted(members.items())
    ]


def _by_granularity(findings: list[Finding]) -> list[Row]:
    """The finding that reads most of the answers, for each granularity, best first."""
    best: dict[str, Row] = {}
    measured = [(each.span_recall, each) for each in findings if each.span_recall is not None]
    for recall, finding in sorted(measured, key=lambda pair: -pair[0]):
        level = finding.configuration.granularity
        best.setdefault(level, (level, number(recall), breakable(finding.name)))
    return list(best.values())
