"""Asking the queries of a set of all arms over the texts of an index; what arms share is computed once."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.second_look import SecondLook
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.experiment import ArmValues, Experiment
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.passages import SPELLING, JudgedPassage, UnitSpans, located, recall_within
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.scoring import QueryBlock, Scores, Tier
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Advance, Progress, silent
from tellapart.rankers.run import RankedDocuments, Run

BLOCK_CELLS = 1 << 21
"""Scores (queries x units) per array: 8 MB, small enough to stay in a processor's cache between steps."""

DEEPEST = 1000
"""Documents ranked per query for a measure without a depth, as TREC does."""

MEASURE = Measure.parse("nDCG@10")

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GridPart:
    """Some queries for all arms of one tier: what can be computed by itself.

    The queries are whole blocks of `block` queries, so that the arithmetic is the same to the last bit wherever it is
    done: a matrix product may differ there with the number of its rows.
    """

    levels: tuple[Granularity, ...]
    arms: tuple[Arm, ...]
    usual: Configuration
    start: int
    block: int
    queries: tuple[str, ...]
    vectors: Mapping[str, Vectors]


@dataclass(frozen=True, slots=True)
class GridValues:
    """What came out of a part: for every arm its values and the recall of judged passages, (queries, variants)."""

    values: tuple[Values, ...]
    spans: tuple[Values | None, ...]
    by_entropy: tuple[Values, ...]


class GridRunner(Protocol):
    """Computes the parts of a grid somewhere."""

    @property
    def pieces(self) -> int:
        """Into how many parts the queries of a tier are divided at most."""
        ...

    def run(
        self,
        index: Index,
        query_set: QuerySet,
        measure: Measure,
        parts: Sequence[GridPart],
        advance: Advance,
    ) -> Iterator[tuple[int, GridValues]]:
        """Give what came out of each part with its place among them, as it is done; tell of steps (`steps_of`)."""
        ...


@dataclass(frozen=True, slots=True)
class InThisProcess:
    """One part after the other."""

    pieces = 1

    def run(
        self,
        index: Index,
        query_set: QuerySet,
        measure: Measure,
        parts: Sequence[GridPart],
        advance: Advance,
    ) -> Iterator[tuple[int, GridValues]]:
        """Compute each part here."""
        for place, part in enumerate(parts):
            yield place, measure_part(index, query_set, measure, part, advance)


HERE = InThisProcess()


def measure_part(
    index: Index, query_set: QuerySet, measure: Measure, part: GridPart, advance: Advance
) -> GridValues:
    """Score the variants of the arms of one part."""
    with index.reading() as snapshot:
        job = _Job(index, snapshot, query_set, part.queries, measure, _vectors=dict(part.vectors))
        tables = job.tables(part.arms)
        for steps in job.measure_tier(part.levels, tables, part.usual, part.block):
            advance(steps)
    spans = tuple(table.spans for table in tables)
    return GridValues(tuple(table.values for table in tables), spans, tuple(job.by_entropy))


def steps_of(part: GridPart) -> int:
    """Count what a part computes: a step for each variant and query, and one for each hit of a second look."""
    variants = [variant for arm in part.arms for variant in arm.variants]
    return len(part.queries) * sum(1 + _looks_at(variant) for variant in variants)


def _looks_at(configuration: Configuration) -> int:
    """Hits of a query that a cross-encoder reads."""
    return configuration.parameters.depth or 0 if configuration.parameters.rerank else 0


def run_texts(
    index: Index,
    query_set: QuerySet,
    arms: Arms,
    measure: Measure | None = None,
    progress: Progress = silent,
    *,
    runner: GridRunner = HERE,
) -> Experiment:
    """Score every variant of every arm on every query that has a relevant document.

    Args:
        index: Its texts are ranked.
        query_set: Queries of words.
        arms: What is compared.
        measure: None = nDCG@10 by documents, or where people judged a passage for every query the share of it that a
            reader sees within the reading budget.
        progress: Told of steps (`steps_of`).
        runner: Computes the grid.
    """
    queries = query_set.answerable()
    chosen = measure or MEASURE
    with index.reading() as snapshot:
        job = _Job(index, snapshot, query_set, queries, chosen)
        tables = {table.arm.name: table for table in job.tables(tuple(arms))}
        parts = job.parts(arms, runner.pieces)
    entropy: dict[int, tuple[Values, ...]] = {}
    with progress("comparing", sum(steps_of(part) for part in parts)) as advance:
        for place, found in runner.run(index, query_set, chosen, parts, advance):
            part = parts[place]
            rows = slice(part.start, part.start + len(part.queries))
            entropy[place] = found.by_entropy
            for arm, values, spans in zip(part.arms, found.values, found.spans, strict=True):
                table = tables[arm.name]
                table.values[rows] = values
                if table.spans is not None and spans is not None:
                    table.spans[rows] = spans
    results = {arm.name: tables[arm.name] for arm in arms}
    spelling = str(chosen)
    if measure is None and query_set.provenance is Provenance.JUDGED and _all_passages(results.values()):
        spelling = SPELLING
        results = {n: ArmValues(r.arm, r.spans, r.spans) for n, r in results.items() if r.spans is not None}
    blocks = [values for place in sorted(entropy) for values in entropy[place]]
    return Experiment(
        query_set,
        queries,
        spelling,
        MappingProxyType(results),
        arms.default,
        arms.reference,
        entropy_weights=np.concatenate(blocks) if blocks else np.zeros(0),
    )


def _all_passages(results: Iterable[ArmValues]) -> bool:
    """Whether every query has a judged passage."""
    return all(each.spans is not None and not np.isnan(each.spans).any() for each in results)


@dataclass
class _Job:
    """One evaluation: query vectors by encoder are made once, on first use."""

    index: Index
    snapshot: Snapshot
    query_set: QuerySet
    queries: tuple[str, ...]
    measure: Measure
    by_entropy: list[Values] = field(default_factory=list)
    _vectors: dict[str, Vectors] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts = [self.query_set.queries[query] for query in self.queries]
        self.identifiers = self.index.store.identifiers()
        self.numbers = {identifier: number for number, identifier in self.identifiers.items()}
        passages = located(self.query_set.spans, self.numbers)
        self.passages: list[tuple[JudgedPassage, ...]] = [passages.get(query, ()) for query in self.queries]

    def tables(self, arms: Sequence[Arm]) -> list[ArmValues]:
        """Make room for what will be measured."""
        n, any_passages = len(self.queries), any(self.passages)
        return [
            ArmValues(
                arm,
                np.zeros((n, len(arm.variants))),
                np.full((n, len(arm.variants)), np.nan) if any_passages else None,
            )
            for arm in arms
        ]

    def parts(self, arms: Arms, pieces: int) -> list[GridPart]:
        """Divide the grid: by tiers, and the queries of each into `pieces` runs of whole blocks at most."""
        tiers: dict[tuple[Granularity, ...], list[Arm]] = {}
        for arm in arms:
            tiers.setdefault(arm.variants[0].granularities, []).append(arm)
        usual = next(arm.variants[0] for arm in arms if arm.name == arms.default)
        found = []
        for levels, of_tier in tiers.items():
            block = _block_size(Tier(self.snapshot, levels))
            size = block * math.ceil(len(self.queries) / (block * pieces))
            encoders = {each.encoder for arm in of_tier for each in arm.variants if each.encoder}
            for start in range(0, len(self.queries), max(size, 1)):
                queries = self.queries[start : start + size]
                vectors = {name: self._encoded(name)[start : start + size] for name in sorted(encoders)}
                found.append(GridPart(levels, tuple(of_tier), usual, start, block, queries, vectors))
        return found

    def measure_tier(
        self, levels: Sequence[Granularity], tables: Sequence[ArmValues], usual: Configuration, size: int
    ) -> Iterator[int]:
        """Fill the tables `size` queries at a time; gives the steps done, as they are.

        Of a `usual` hybrid the entropy rule is told too.
        """
        tier = Tier(self.snapshot, levels)
        units = UnitSpans.of(self.index, tier) if any(self.passages) else None
        encoders = {each.encoder for table in tables for each in table.arm.variants if each.encoder}
        for start in range(0, len(self.queries), size):
            stop = min(start + size, len(self.queries))
            vectors = {encoder: self._encoded(encoder)[start:stop] for encoder in encoders}
            block = QueryBlock(tier, self.texts[start:stop], vectors)
            for table in tables:
                yield from self._measure(block, table, start, stop, units)
            if usual.ranker == "hybrid" and usual.granularities == tuple(levels):
                self.by_entropy.append(block.entropy_weights(usual))

    def _measure(
        self, block: QueryBlock, table: ArmValues, start: int, stop: int, units: UnitSpans | None
    ) -> Iterator[int]:
        for column, configuration in enumerate(table.arm.variants):
            scores = yield from self._looked_again(block, configuration, block.unit_scores(configuration))
            table.values[start:stop, column] = self._values(block.tier, scores, start, stop)
            if units is not None and table.spans is not None:
                table.spans[start:stop, column] = recall_within(scores, units, self.passages[start:stop])
            yield stop - start

    def _looked_again(
        self, block: QueryBlock, configuration: Configuration, scores: list[Scores]
    ) -> Generator[int, None, list[Scores]]:
        """Let a cross-encoder reorder the first units of each query, where the configuration has one."""
        look = SecondLook.of(self.index.store, self.snapshot, configuration.parameters)
        if look is None:
            return scores
        tier, looked = block.tier, []
        for text, *own in zip(block.texts, *scores, strict=True):
            looked.append(look.rescored(text, tier.levels, tier.tables, own))
            yield _looks_at(configuration)
        return [np.stack(level) for level in zip(*looked, strict=True)]

    def _values(self, tier: Tier, scores: Sequence[Scores], start: int, stop: int) -> Values:
        queries = self.queries[start:stop]
        rankings = {
            query: self._ranking(tier, query, row)
            for query, row in zip(queries, tier.roll_up(scores), strict=True)
        }
        judged = Qrels(MappingProxyType({query: self.query_set.qrels.grades[query] for query in queries}))
        return evaluate_run(Run(rankings), judged, [self.measure]).values[self.measure]

    def _ranking(self, tier: Tier, query: str, scores: Scores) -> RankedDocuments:
        if self.query_set.ignore_same_id and query in self.numbers:
            scores = np.where(tier.documents == self.numbers[query], np.float32(-np.inf), scores)
        columns = best_columns(scores, self.measure.cutoff or DEEPEST)
        names = tuple(self.identifiers[number] for number in tier.documents[columns].tolist())
        return RankedDocuments(names, scores[columns].astype(np.float64))

    def _encoded(self, encoder: str) -> Vectors:
        if encoder not in self._vectors:
            self._vectors[encoder] = self.index.encode_queries(encoder, self.texts)
        return self._vectors[encoder]


def _block_size(tier: Tier) -> int:
    return max(1, BLOCK_CELLS // max(tier.rows, 1))


def best_columns(scores: Scores, depth: int) -> NDArray[np.int64]:
    """Columns of the `depth` highest scores, best first, ties by column; -inf is never among them."""
    found = scores > -np.inf
    if depth < len(scores):
        found &= scores >= np.partition(scores, len(scores) - depth)[len(scores) - depth]
    columns = np.flatnonzero(found)
    order = np.argsort(-scores[columns], kind="stable")[:depth]
    return columns[order]
