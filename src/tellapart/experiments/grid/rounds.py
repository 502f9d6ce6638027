"""Measuring on generated queries: where a corpus offers few, further ones are drawn with other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from tellapart.engine import Index
from tellapart.experiments.grid.candidates import Grid
from tellapart.experiments.grid.measuring import GridValues, Measured, measure_grid
from tellapart.experiments.measures import Measure
from tellapart.experiments.queries.judgements import Qrels
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.experiments.synthetic import GeneratedSet, generate
from tellapart.progress import Progress, silent

ENOUGH = 300
"""Queries from which on one drawing is enough: a small corpus offers one or two for each of its documents, too few
to see even large differences (46 for 46 documents of limit-small). Our choice, not measured."""

ROUNDS = 5
"""Drawings at most."""


@dataclass(frozen=True, slots=True)
class MadeValues:
    """Generated queries with what was measured on them; `values` None where the corpus offers none."""

    gold: QueryGold
    values: GridValues | None
    overlap: Mapping[str, float]
    notes: tuple[str, ...]


def measure_generated(
    index: Index,
    grid: Grid,
    measure: Measure,
    *,
    seed: int = 0,
    query_log: Mapping[str, str] | None = None,
    language_model: str | None = None,
    progress: Progress = silent,
) -> MadeValues:
    """Generate queries and score the grid on them, each drawing in its own masked copy of the index.

    `query_log` and `language_model` are those of `generate`.
    """
    golds: list[QueryGold] = []
    values: list[GridValues] = []
    overlap: dict[str, float] = {}
    known: set[tuple[str, str]] = set()
    notes: tuple[str, ...] = ()
    while len(golds) < ROUNDS and len(known) < ENOUGH:
        made = generate(
            index,
            seed=seed + len(golds),
            encoders=_encoders(grid),
            query_log=query_log,
            language_model=language_model if not golds else None,
            progress=progress,
        )
        notes = notes or made.notes
        fresh = _fresh(made, known, len(golds), overlap)
        if not fresh.queries:
            break
        with made.masked_index(progress=progress) as masked:
            values.append(measure_grid(masked, fresh, grid, measure, progress))
        known |= {(text, fresh.cluster(query)) for query, text in fresh.queries.items()}
        golds.append(fresh)
    gold = _joined(golds)
    return MadeValues(gold, _stacked(values) if values else None, MappingProxyType(overlap), notes)


def _encoders(grid: Grid) -> tuple[str, ...]:
    """Encoders that the grid needs, sorted."""
    variants = [variant for candidate in grid.candidates for variant in candidate.variants]
    return tuple(sorted({variant.encoder for variant in variants if variant.encoder is not None}))


def _fresh(
    made: GeneratedSet, known: set[tuple[str, str]], drawing: int, overlap: dict[str, float]
) -> QueryGold:
    """Only the queries that did not come before for the same document, with ids that no other drawing has."""
    gold = made.gold
    names = {
        query: query if drawing == 0 else f"{query}+{drawing}"
        for query, text in gold.queries.items()
        if (text, gold.cluster(query)) not in known
    }
    overlap.update({name: made.overlap[query] for query, name in names.items()})
    spans = {
        name: tuple(replace(span, query=name) for span in gold.spans.get(query, ()))
        for query, name in names.items()
    }
    return QueryGold(
        queries=MappingProxyType({name: gold.queries[query] for query, name in names.items()}),
        qrels=Qrels(MappingProxyType({name: gold.qrels.grades[query] for query, name in names.items()})),
        spans=MappingProxyType(spans),
        sources=MappingProxyType({name: gold.source(query) for query, name in names.items()}),
        clusters=MappingProxyType({name: gold.cluster(query) for query, name in names.items()}),
        weights=MappingProxyType({name: gold.weights.get(query, 1.0) for query, name in names.items()}),
    )


def _joined(golds: Sequence[QueryGold]) -> QueryGold:
    return QueryGold(
        queries=MappingProxyType({q: text for gold in golds for q, text in gold.queries.items()}),
        qrels=Qrels(MappingProxyType({q: of for gold in golds for q, of in gold.qrels.grades.items()})),
        spans=MappingProxyType({q: of for gold in golds for q, of in gold.spans.items()}),
        sources=MappingProxyType({q: of for gold in golds for q, of in gold.sources.items()}),
        clusters=MappingProxyType({q: of for gold in golds for q, of in gold.clusters.items()}),
        weights=MappingProxyType({q: of for gold in golds for q, of in gold.weights.items()}),
    )


def _stacked(values: Sequence[GridValues]) -> GridValues:
    """One table of all drawings."""
    queries = tuple(query for each in values for query in each.queries)
    measured = []
    for columns in zip(*(each.measured for each in values), strict=True):
        spans = [each.spans for each in columns if each.spans is not None]
        measured.append(
            Measured(
                columns[0].candidate,
                np.concatenate([each.values for each in columns]),
                np.concatenate(spans) if len(spans) == len(columns) else None,
            )
        )
    return GridValues(values[0].grid, values[0].measure, queries, tuple(measured))
