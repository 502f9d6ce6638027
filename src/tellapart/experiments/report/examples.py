"""The queries that a choice answers worst, with what it and the reference return for them."""

from __future__ import annotations

from collections.abc import Mapping

from tellapart.engine import Configuration, Index
from tellapart.engine.request import SearchRequest
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.report.page import ReportExample, ReportSide, Shown
from tellapart.experiments.verdict import Verdict

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
