"""Pools: the documents that the leading configurations put into their first ranks, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.measures import discounts
from tellapart.rankers.run import Run

Floats = NDArray[np.float64]
Ranked = tuple[tuple[str, ...], ...]
"""What each leader returned for one query, best first."""

DEPTH = 5
"""Ranks of each leader that are judged, and the depth of the measure: nDCG@5."""


def first_ranks(runs: Sequence[Run], queries: Sequence[str], depth: int = DEPTH) -> tuple[Ranked, ...]:
    """Cut runs of the same queries at `depth`."""
    return tuple(
        tuple(run.rankings[query].documents[:depth] if query in run.rankings else () for run in runs)
        for query in queries
    )


@dataclass(frozen=True, slots=True)
class Pools:
    """The first ranks of m leaders for n queries, with documents in pools of at most `width`.

    `weights` (n, width, m) is the discount at which a leader shows a pooled document, 0 where it does not.
    The measure is nDCG at `depth`, its ideal taken from the pool: what no leader shows counts for none of them.
    """

    queries: tuple[str, ...]
    leaders: tuple[str, ...]
    lists: tuple[Ranked, ...]
    documents: tuple[tuple[str, ...], ...]
    weights: Floats
    depth: int = DEPTH

    @classmethod
    def of(
        cls, queries: Sequence[str], leaders: Sequence[str], lists: Sequence[Ranked], *, depth: int = DEPTH
    ) -> Pools:
        """Pool ranked lists. Within a pool documents go by id, which tells nothing of who found them."""
        documents = tuple(tuple(sorted({d for top in tops for d in top})) for tops in lists)
        width = max((len(pool) for pool in documents), default=0)
        weights = np.zeros((len(documents), width, len(leaders)))
        discount = discounts(depth)
        for row, (pool, tops) in enumerate(zip(documents, lists, strict=True)):
            slots = {document: slot for slot, document in enumerate(pool)}
            for leader, top in enumerate(tops):
                weights[row, [slots[document] for document in top], leader] = discount[: len(top)]
        return cls(tuple(queries), tuple(leaders), tuple(lists), documents, weights, depth)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs of leaders, in the order that every array over pairs keeps."""
        return tuple(combinations(range(len(self.leaders)), 2))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Documents in each pool (n,)."""
        return np.array([len(pool) for pool in self.documents], dtype=np.int64)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots hold a document (n, width)."""
        return np.asarray(np.arange(self.weights.shape[1]) < self.sizes[:, None])

    def contrasts(self) -> Floats:
        """How much further up the first of each pair shows a document (n, width, pairs)."""
        pairs = [self.weights[..., a] - self.weights[..., b] for a, b in self.pairs]
        return np.stack(pairs, axis=-1) if pairs else np.zeros((*self.weights.shape[:2], 0))

    def disagreeing(self) -> NDArray[np.bool_]:
        """Queries (n,) on which two leaders differ: the others need no judgement, their difference is 0."""
        return np.asarray((self.weights != self.weights[:, :, :1]).any(axis=(1, 2)))

    def gains(self, grades: Sequence[Mapping[str, int]]) -> Floats:
        """Gains (n, width) of the pooled documents under grades by query; without a grade 0."""
        gains = np.zeros(self.weights.shape[:2])
        for row, (pool, of) in enumerate(zip(self.documents, grades, strict=True)):
            gains[row, : len(pool)] = [max(0, of.get(document, 0)) for document in pool]
        return gains

    def differences(self, gains: Floats) -> Floats:
        """NDCG of the first minus that of the second of each pair (n, pairs), from gains (n, width)."""
        return pair_differences(gains, self.contrasts(), self.depth)

    def bounds(self) -> tuple[Floats, Floats]:
        """Least and greatest difference (n, pairs) that any judgement could show.

        A ratio of linear functions of the grades is extreme where the grades are 0 or 1, and then where
        those documents are relevant that speak most for one side.
        """
        ideal = np.cumsum(discounts(self.depth))
        counts = np.minimum(np.arange(self.weights.shape[1]), self.depth - 1)
        contrasts = self.contrasts()
        greatest = [
            np.maximum(np.cumsum(-np.sort(-side, axis=1), axis=1) / ideal[counts][:, None], 0).max(
                axis=1, initial=0
            )
            for side in (contrasts, -contrasts)
        ]
        return -greatest[1], greatest[0]


def pair_differences(gains: Floats, contrasts: Floats, depth: int) -> Floats:
    """Differences (..., pairs) of nDCG for gains (..., width), which may be expectations not yet known.

    The ideal is at least that of one document of grade 1: below it, all gains are guesses, and the value is
    the chance of a gain rather than its share of an ideal that may not exist. For grades it changes nothing.
    """
    found = np.einsum("...w,...wp->...p", gains, contrasts)
    best = -np.sort(-gains, axis=-1)[..., :depth]
    ideal = best @ discounts(depth)[: best.shape[-1]]
    return np.asarray(found / np.maximum(ideal, 1.0)[..., None])
