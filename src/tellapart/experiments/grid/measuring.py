"""Measuring a grid of configurations over a query set, everything that they share done once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.engine import Index
from tellapart.experiments.grid.candidates import Candidate, Grid
from tellapart.experiments.grid.passages import Gold, UnitSpans, located, recall_within
from tellapart.experiments.grid.scoring import Block, Scores, Tier
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.queries.judgements import Qrels
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress, silent
from tellapart.rankers.run import RankedDocuments, Run

BLOCK_CELLS = 1 << 21
"""Scores (queries x units) per array: 8 MB, small enough to stay in a processor's cache between steps."""

DEEPEST = 1000
"""Documents ranked per query for a measure without a depth, as TREC does."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate's values: `values` (n, variants) of the measure, `spans` likewise of budgeted recall or None."""

    candidate: Candidate
    values: Values
    spans: Values | None


@dataclass(frozen=True, slots=True)
class GridValues:
    """What was measured: one `Measured` per candidate, in order; rows belong to `queries`."""

    grid: Grid
    measure: Measure
    queries: tuple[str, ...]
    measured: tuple[Measured, ...]


def measure_grid(
    index: Index, gold: QueryGold, grid: Grid, measure: Measure, progress: Progress = silent
) -> GridValues:
    """Score every variant of every candidate on every query of `gold` that has a relevant document."""
    queries = tuple(query for query in gold.queries if _has_relevant(gold.qrels, query))
    with index.reading() as snapshot:
        job = _Job(index, snapshot, gold, queries, measure)
        tiers: dict[tuple[Granularity, ...], list[Candidate]] = {}
        for candidate in grid.candidates:
            tiers.setdefault(candidate.variants[0].granularities, []).append(candidate)
        measured: dict[str, Measured] = {}
        with progress("comparing", len(tiers) * len(queries)) as advance:
            for levels, candidates in tiers.items():
                tables = job.tables(candidates)
                for start, stop in job.measure_tier(levels, candidates, tables):
                    advance(stop - start)
                measured.update(
                    {candidate.name: table for candidate, table in zip(candidates, tables, strict=True)}
                )
    return GridValues(grid, measure, queries, tuple(measured[each.name] for each in grid.candidates))


def _has_relevant(qrels: Qrels, query: str) -> bool:
    return any(grade > 0 for grade in qrels.grades.get(query, {}).values())


@dataclass
class _Job:
    """One evaluation: query vectors by encoder are made once, on first use."""

    index: Index
    snapshot: Snapshot
    gold: QueryGold
    queries: tuple[str, ...]
    measure: Measure
    _vectors: dict[str, Vectors] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts = [self.gold.queries[query] for query in self.queries]
        self.identifiers = self.index.store.identifiers()
        numbers = {identifier: number for number, identifier in self.identifiers.items()}
        passages = located(self.gold.spans, numbers)
        self.passages: list[tuple[Gold, ...]] = [passages.get(query, ()) for query in self.queries]

    def tables(self, candidates: Sequence[Candidate]) -> list[Measured]:
        """Make room for what will be measured."""
        n, any_passages = len(self.queries), any(self.passages)
        return [
            Measured(
                candidate,
                np.zeros((n, len(candidate.variants))),
                np.full((n, len(candidate.variants)), np.nan) if any_passages else None,
            )
            for candidate in candidates
        ]

    def measure_tier(
        self, levels: Sequence[Granularity], candidates: Sequence[Candidate], tables: Sequence[Measured]
    ) -> Iterator[tuple[int, int]]:
        """Fill the tables block by block; gives the queries done."""
        tier = Tier(self.snapshot, levels)
        units = UnitSpans.of(self.index, tier) if any(self.passages) else None
        size = max(1, BLOCK_CELLS // max(tier.rows, 1))
        encoders = {each.encoder for candidate in candidates for each in candidate.variants if each.encoder}
        for start in range(0, len(self.queries), size):
            stop = min(start + size, len(self.queries))
            vectors = {encoder: self._encoded(encoder)[start:stop] for encoder in encoders}
            block = Block(tier, self.texts[start:stop], vectors)
            for table in tables:
                self._measure(block, table, start, stop, units)
            yield start, stop

    def _measure(self, block: Block, table: Measured, start: int, stop: int, units: UnitSpans | None) -> None:
        for column, configuration in enumerate(table.candidate.variants):
            scores = block.unit_scores(configuration)
            table.values[start:stop, column] = self._values(block.tier, scores, start, stop)
            if units is not None and table.spans is not None:
                table.spans[start:stop, column] = recall_within(scores, units, self.passages[start:stop])

    def _values(self, tier: Tier, scores: Sequence[Scores], start: int, stop: int) -> Values:
        queries = self.queries[start:stop]
        rankings = {
            query: self._ranking(tier, row) for query, row in zip(queries, tier.roll_up(scores), strict=True)
        }
        judged = Qrels(MappingProxyType({query: self.gold.qrels.grades[query] for query in queries}))
        return evaluate_run(Run(rankings), judged, [self.measure]).values[self.measure]

    def _ranking(self, tier: Tier, scores: Scores) -> RankedDocuments:
        columns = best_columns(scores, self.measure.cutoff or DEEPEST)
        names = tuple(self.identifiers[number] for number in tier.documents[columns].tolist())
        return RankedDocuments(names, scores[columns].astype(np.float64))

    def _encoded(self, encoder: str) -> Vectors:
        if encoder not in self._vectors:
            self._vectors[encoder] = self.index.encode_queries(encoder, self.texts)
        return self._vectors[encoder]


def best_columns(scores: Scores, depth: int) -> NDArray[np.int64]:
    """Columns of the `depth` highest scores, best first, ties by column; -inf is never among them."""
    found = scores > -np.inf
    if depth < len(scores):
        found &= scores >= np.partition(scores, len(scores) - depth)[len(scores) - depth]
    columns = np.flatnonzero(found)
    order = np.argsort(-scores[columns], kind="stable")[:depth]
    return columns[order]


def by_query(queries: Sequence[str], values: Values) -> Mapping[str, float]:
    """Map query ids to values."""
    return MappingProxyType(dict(zip(queries, values.tolist(), strict=True)))
