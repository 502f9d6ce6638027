"""What the template `evaluation.html` shows of a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tellapart.corpus.document import Granularity, Kind
from tellapart.engine import Configuration, Index
from tellapart.engine.request import SearchRequest
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.report.charts import (
    cost_chart,
    length_chart,
    quality_scale,
    role,
    weight_chart,
)
from tellapart.experiments.statistics import DRAWS
from tellapart.experiments.textfiles import replacing
from tellapart.experiments.verdict import Finding, Verdict
from tellapart.index.home import name_of
from tellapart.index.lexical import defaults
from tellapart.index.lexical.tokens import STOP_WORDS
from tellapart.pages.rendering import breakable, number, render_page
from tellapart.rankers.registry import UNTRAINED_WEIGHT, WEIGHT
from tellapart.rankers.svm import DEFAULT_RATIO


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit beside a query: where it is, its first words, and its grade (None: nobody judged it)."""

    place: str
    text: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class ReportSide:
    """What one configuration returned for a query, and what that was worth."""

    name: str
    value: float
    hits: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ReportExample:
    """A query answered by the choice and by the reference."""

    query: str
    choice: ReportSide
    reference: ReportSide


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything on the page.

    `categories` groups queries by id (empty: no such table); `settings` are names and values of what the
    scores were made with; `command` makes the report again.
    """

    verdict: Verdict
    title: str
    command: str
    settings: tuple[tuple[str, str], ...] = ()
    examples: tuple[ReportExample, ...] = ()
    categories: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def contents_of(index: Index, verdict: Verdict, judged: QuerySet | None = None, *, command: str) -> Contents:
    """Gather what the page about a verdict on an index shows; `judged` are its queries unless they were synthetic."""
    return Contents(
        verdict,
        name_of(index.place),
        command,
        score_settings(verdict),
        worst_examples(index, judged, verdict) if judged else (),
        judged.categories if judged else {},
    )


def render(contents: Contents) -> str:
    """Write the page; the same contents give the same characters."""
    verdict, findings = contents.verdict, contents.verdict.ranked()
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
        weight_chart=weight_chart(verdict),
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


TESTED = ("intervals, p", f"paired bootstrap-t and sign flips, {DRAWS:,} draws; Holm over all configurations")


def score_settings(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Names and values; parameters chosen on these queries stand with their configuration."""
    (k1, b), (k1_code, b_code) = defaults(Kind.PROSE), defaults(Kind.CODE)
    given = [
        f"{finding.name}: {set_to}"
        for finding in verdict.findings
        if (set_to := finding.configuration.parameters.shown())
    ]
    if all(finding.configuration.granularities == (Granularity.IMAGE,) for finding in verdict.findings):
        return _of_images(verdict, given)
    return (
        ("measure", f"{verdict.measure}; linear gains, documents without a judgement are not relevant"),
        (
            "words",
            f"Porter stems and {len(STOP_WORDS)} stop words for prose; identifiers whole and in parts for code",
        ),
        (
            "bm25",
            f"k1 {k1:g}, b {b:g} for prose; k1 {k1_code:g}, b {b_code:g} for code;"
            " idf ln(1 + (N - df + .5) / (df + .5))",
        ),
        (
            "hybrid",
            f"z-scores; weight of the vectors {WEIGHT[Kind.PROSE]:g} for prose, {WEIGHT[Kind.CODE]:g} for code;"
            f" of lsa {UNTRAINED_WEIGHT[Kind.PROSE]:g} and {UNTRAINED_WEIGHT[Kind.CODE]:g}",
        ),
        ("svm", f"ridge of {DEFAULT_RATIO:g} mean eigenvalues"),
        ("document score", "the best of its units"),
        TESTED,
        *((("chosen here", "; ".join(given)),) if given else ()),
    )


def _of_images(verdict: Verdict, given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return (
        ("measure", f"{verdict.measure}; the query's own image is never found"),
        ("svm, ridge", f"ridge of {DEFAULT_RATIO:g} mean eigenvalues; one image as example"),
        TESTED,
        *((("chosen here", "; ".join(given)),) if given else ()),
    )


SHOWN = 12
"""Queries on the page."""

HITS = 3
CHARACTERS = 220
"""Of a unit's text: enough to see what it is about."""


def worst_examples(
    index: Index, query_set: QuerySet, verdict: Verdict, *, count: int = SHOWN
) -> tuple[ReportExample, ...]:
    """Search for the worst answered queries again; of equally bad ones those come first that the reference answers.

    Synthetic queries have none: their source was masked when they were measured, and is not now.
    """
    if query_set.provenance is Provenance.SYNTHETIC:
        return ()
    choice, reference = verdict.chosen, verdict.finding(verdict.reference)
    worst = sorted(
        verdict.queries,
        key=lambda query: (choice.per_query[query], -reference.per_query[query], query),
    )[:count]
    shown = []
    for query in worst:
        text, grades = query_set.queries[query], query_set.qrels.grades.get(query, {})
        SearchRequest(text)  # says what is wrong with a query that no search can have
        sides = [
            ReportSide(each.name, each.per_query[query], _hits(index, each.configuration, text, grades))
            for each in (choice, reference)
        ]
        shown.append(ReportExample(text, *sides))
    return tuple(shown)


def _hits(
    index: Index, configuration: Configuration, text: str, grades: Mapping[str, int]
) -> tuple[Shown, ...]:
    hits = index.search(
        text,
        k=HITS,
        ranker=configuration.ranker,
        granularity=configuration.granularity,
        encoder=configuration.encoder,
        parameters=configuration.parameters,
    )
    return tuple(
        Shown(f"{hit.document}:{hit.lines[0]}-{hit.lines[1]}", _start(hit.text), grades.get(hit.document))
        for hit in hits
    )


def _start(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= CHARACTERS else words[: CHARACTERS - 1] + "…"
