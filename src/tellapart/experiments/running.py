"""Asking the queries of a set of all arms over the texts of an index; what arms share is computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

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
from tellapart.progress import Progress, silent
from tellapart.rankers.run import RankedDocuments, Run

BLOCK_CELLS = 1 << 21
"""Scores (queries x units) per array: 8 MB, small enough to stay in a processor's cache between steps."""

DEEPEST = 1000
"""Documents ranked per query for a measure without a depth, as TREC does."""

MEASURE = Measure.parse("nDCG@10")

Values = NDArray[np.float64]


def run_texts(
    index: Index,
    query_set: QuerySet,
    arms: Arms,
    measure: Measure | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Score every variant of every arm on every query that has a relevant document.

    Args:
        index: Its texts are ranked.
        query_set: Queries of words.
        arms: What is compared.
        measure: None = nDCG@10 by documents, or where people judged a passage for every query the share of it that a
            reader sees within the reading budget.
        progress: Told of queries.
    """
    queries = query_set.answerable()
    chosen = measure or MEASURE
    with index.reading() as snapshot:
        job = _Job(index, snapshot, query_set, queries, chosen)
        tiers: dict[tuple[Granularity, ...], list[Arm]] = {}
        for arm in arms:
            tiers.setdefault(arm.variants[0].granularities, []).append(arm)
        measured: dict[str, ArmValues] = {}
        usual = next(arm.variants[0] for arm in arms if arm.name == arms.default)
        with progress("comparing", len(tiers) * len(queries)) as advance:
            for levels, of_tier in tiers.items():
                tables = job.tables(of_tier)
                for start, stop in job.measure_tier(levels, tables, usual):
                    advance(stop - start)
                measured.update({table.arm.name: table for table in tables})
    results = {arm.name: measured[arm.name] for arm in arms}
    spelling = str(chosen)
    if measure is None and query_set.provenance is Provenance.JUDGED and _all_passages(results.values()):
        spelling = SPELLING
        results = {n: ArmValues(r.arm, r.spans, r.spans) for n, r in results.items() if r.spans is not None}
    by_entropy = np.concatenate(job.by_entropy) if job.by_entropy else np.zeros(0)
    return Experiment(
        query_set,
        queries,
        spelling,
        MappingProxyType(results),
        arms.default,
        arms.reference,
        entropy_weights=by_entropy,
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

    def measure_tier(
        self, levels: Sequence[Granularity], tables: Sequence[ArmValues], usual: Configuration
    ) -> Iterator[tuple[int, int]]:
        """Fill the tables block by block; gives the queries done. Of a `usual` hybrid the entropy rule is told too."""
        tier = Tier(self.snapshot, levels)
        units = UnitSpans.of(self.index, tier) if any(self.passages) else None
        size = max(1, BLOCK_CELLS // max(tier.rows, 1))
        encoders = {each.encoder for table in tables for each in table.arm.variants if each.encoder}
        for start in range(0, len(self.queries), size):
            stop = min(start + size, len(self.queries))
            vectors = {encoder: self._encoded(encoder)[start:stop] for encoder in encoders}
            block = QueryBlock(tier, self.texts[start:stop], vectors)
            for table in tables:
                self._measure(block, table, start, stop, units)
            if usual.ranker == "hybrid" and usual.granularities == tuple(levels):
                self.by_entropy.append(block.entropy_weights(usual))
            yield start, stop

    def _measure(
        self, block: QueryBlock, table: ArmValues, start: int, stop: int, units: UnitSpans | None
    ) -> None:
        for column, configuration in enumerate(table.arm.variants):
            scores = self._looked_again(block, configuration, block.unit_scores(configuration))
            table.values[start:stop, column] = self._values(block.tier, scores, start, stop)
            if units is not None and table.spans is not None:
                table.spans[start:stop, column] = recall_within(scores, units, self.passages[start:stop])

    def _looked_again(
        self, block: QueryBlock, configuration: Configuration, scores: list[Scores]
    ) -> list[Scores]:
        """Let a cross-encoder reorder the first units of each query, where the configuration has one."""
        look = SecondLook.of(self.index.store, self.snapshot, configuration.parameters)
        if look is None:
            return scores
        tier, looked = block.tier, []
        for text, *own in zip(block.texts, *scores, strict=True):
            looked.append(look.rescored(text, tier.levels, tier.tables, own))
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


def best_columns(scores: Scores, depth: int) -> NDArray[np.int64]:
    """Columns of the `depth` highest scores, best first, ties by column; -inf is never among them."""
    found = scores > -np.inf
    if depth < len(scores):
        found &= scores >= np.partition(scores, len(scores) - depth)[len(scores) - depth]
    columns = np.flatnonzero(found)
    order = np.argsort(-scores[columns], kind="stable")[:depth]
    return columns[order]
