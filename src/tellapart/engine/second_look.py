"""A second look at the first hits of a search by a cross-encoder, which reads the query and each text together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.engine.asking import LevelQuery
from tellapart.engine.planning import SearchPlan
from tellapart.engine.searching import Found, growing_ranking, rank_documents, rank_units, unit_scores
from tellapart.errors import TellapartError
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot, UnitTable
from tellapart.progress import Advance
from tellapart.rankers.registry import Parameters
from tellapart.rankers.run import RankedDocuments, Run

if TYPE_CHECKING:
    from tellapart.encoders.pairs import CrossEncoder

Floats = NDArray[np.float64]
Place = tuple[int, Granularity, int]
"""Number of the document, granularity, ordinal of the unit in it."""

BUDGET_MS = 1000.0
"""Time that a second look may take, a setting (`--rerank-ms`): a person waits a second for a better first hit."""

LEAST, MOST = 6, 30
"""Hits looked at, whatever the budget says: six gave the gain of docs/benchmarks/rerank.md on wikiqa, and
beyond thirty hardly an answer is left to be lifted."""

SHARE = 0.7
"""Of the cross-encoder's score in the order of what it looked at; the rest is the first ranker's.
docs/benchmarks/rerank.md compares it with the cross-encoder alone."""


class SecondLook:
    """Reorders the first hits of searches on one snapshot.

    Args:
        store: Holds the texts.
        snapshot: Is searched.
        encoder: Scores pairs.
        depth: Hits looked at.
    """

    def __init__(self, store: DocumentStore, snapshot: Snapshot, encoder: CrossEncoder, depth: int) -> None:
        self.store = store
        self.snapshot = snapshot
        self.encoder = encoder
        self.depth = depth
        self._text = ""
        self._known: dict[Place, float] = {}

    @classmethod
    def of(cls, store: DocumentStore, snapshot: Snapshot, parameters: Parameters) -> SecondLook | None:
        """Make the one that was asked for, None where none was.

        Raises:
            TellapartError: The model is not here yet.
        """
        if parameters.rerank is None:
            return None
        from tellapart.encoders.pairs import open_cross_encoder

        encoder = open_cross_encoder(parameters.rerank)
        return cls(store, snapshot, encoder, depth_within(encoder, parameters))

    def rank(self, queries: Sequence[LevelQuery], k: int) -> list[Found]:
        """Give the best k units: those looked at in their new order, the rest after them as they were."""
        found = rank_units(queries, max(k, self.depth))
        head, tail = found[: self.depth], found[self.depth :]
        if not head:
            return []
        logits = self.logits(
            queries[0].query.text, [(each.document, each.granularity, each.ordinal) for each in head]
        )
        scores = fused(np.array([each.score for each in head]), logits)
        name = self.encoder.name
        looked = [
            each._replace(score=float(score), components={**each.components, name: float(logit)})
            for each, score, logit in zip(head, scores, logits, strict=True)
        ]
        looked.sort(key=lambda each: -each.score)
        drop = max(0.0, tail[0].score - looked[-1].score) if tail else 0.0
        return [*looked, *(each._replace(score=each.score - drop) for each in tail)][:k]

    def rescored(
        self,
        text: str,
        levels: Sequence[Granularity],
        tables: Sequence[UnitTable],
        scores: Sequence[NDArray[np.float32]],
    ) -> list[NDArray[np.float32]]:
        """Do the same to the scores of all units, level by level (rows,): what was looked at ends on top."""
        starts = np.cumsum([0, *(len(each) for each in scores)])
        every = np.concatenate(scores).astype(np.float64)
        order = np.argsort(-every, kind="stable")[: self.depth]
        order = order[every[order] > -np.inf]
        if not len(order):
            return list(scores)
        places: list[Place] = []
        for position in order.tolist():
            level = int(np.searchsorted(starts, position, side="right")) - 1
            number, ordinal = tables[level].locate(np.array([position - starts[level]]))
            places.append((int(number[0]), levels[level], int(ordinal[0])))
        new = fused(every[order], self.logits(text, places))
        rest = np.ones(len(every), dtype=bool)
        rest[order] = False
        below = every[rest].max(initial=-np.inf)
        every[rest] -= max(0.0, below - new.min()) if below > -np.inf else 0.0
        every[order] = new
        return [each.astype(np.float32) for each in np.split(every, starts[1:-1])]

    def logits(self, text: str, places: Sequence[Place]) -> Floats:
        """Score units for a query; those of the query asked last are remembered."""
        from tellapart.encoders.windows import whole
        from tellapart.index.embedding import unit_texts  # neither of which a first look needs

        if text != self._text:
            self._text, self._known = text, {}
        missing = [place for place in places if place not in self._known]
        texts = []
        for number, granularity, ordinal in missing:
            stored = self.snapshot.fetch(self.store, [number])[number]
            texts.append(whole(unit_texts(stored, granularity)[ordinal]))
        self._known.update(zip(missing, self.encoder.scores(text, texts).tolist(), strict=True))
        return np.array([self._known[place] for place in places], dtype=np.float64)


def depth_within(encoder: CrossEncoder, parameters: Parameters) -> int:
    """How many hits are looked at: as many as were asked for, or as the time budget allows on this machine."""
    if parameters.depth is not None:
        return int(parameters.depth)
    budget = BUDGET_MS if parameters.rerank_ms is None else parameters.rerank_ms
    return int(min(max(budget // encoder.milliseconds, LEAST), MOST))


def fused(first: Floats, logits: Floats, share: float = SHARE) -> Floats:
    """Join the scores of the first ranker (m,) with the cross-encoder's (m,): both standardised, `share` of the second.

    The result has mean and spread of the first ranker's scores, so that it is of their scale.
    """
    spread = float(first.std())
    joined = share * _standardised(logits) + (1 - share) * _standardised(first)
    return np.asarray(first.mean() + (spread if spread > 0 else 1.0) * joined, dtype=np.float64)


def _standardised(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros(len(values)))


def units_ranking(
    store: DocumentStore, snapshot: Snapshot, parameters: Parameters, queries: Sequence[LevelQuery]
) -> Callable[[int], Sequence[Found]]:
    """Say how the units of a search are ranked: gives so many, best first, after the second look if there is one."""
    look = SecondLook.of(store, snapshot, parameters)
    if look is None:
        return growing_ranking(queries) or partial(rank_units, queries)
    if not queries or not queries[0].query.text.strip() or queries[0].matches is not None:
        raise TellapartError("a second look reads a query: leave out --rerank, the examples or the pattern")
    return partial(look.rank, queries)


def rank_queries(
    store: DocumentStore,
    snapshot: Snapshot,
    plan: SearchPlan,
    asked: Iterable[tuple[str, Sequence[LevelQuery]]],
    depth: int,
    advance: Advance,
) -> Run:
    """Rank documents for every query that `QueryBuilder.for_texts` put, under the query's name.

    A document counts as its best unit does, after the second look if there is one.
    """
    look = SecondLook.of(store, snapshot, plan.configuration.parameters)
    ranked: dict[str, RankedDocuments] = {}
    identifiers = store.identifiers()
    for name, queries in asked:
        scored = unit_scores(queries)
        if look is not None:
            levels, tables = [each.granularity for each in queries], [each.table for each in queries]
            scored = look.rescored(queries[0].query.text, levels, tables, scored)
        numbers, scores = rank_documents(queries, depth, scored)
        documents = tuple(identifiers[number] for number in numbers)
        ranked[name] = RankedDocuments(documents, np.asarray(scores, dtype=np.float64))
        advance(1)
    return Run(ranked, tag=plan.configuration.name)
