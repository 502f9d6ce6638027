"""Weighing synthetic queries so that they are as long, and share as many words with texts, as those people type.

They are made like a log of this corpus's users where there is one, else like people's queries on the development
collections (bench/posterior.py). Both sets are described by the same two figures per query: its number of distinct
terms, and the share of these that its best hit by BM25 holds (paragraphs and functions; of a synthetic query, in the
blanked index). Weights are found by raking (Deming and Stephan 1940): the synthetic set's two marginal distributions
become those of people's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Kind
from tellapart.experiments.posterior.model import shipped_table
from tellapart.index.lexical import analyse_query, defaults

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

LENGTHS = (2.5, 4.5, 7.5, 12.5)
SHARES = (0.5, 0.75, 0.999)
"""Upper borders of the strata but the last: up to 2, 4, 7, 12 terms, more; below a half, three quarters, 1, all."""

LARGEST = 5.0
"""A weight, or its inverse, against the mean: beyond it a few odd queries would decide. At 5 a
set in which every tenth query weighs the most counts as 36 of 100 (Kish 1965), at 10 as 10."""

PSEUDO_COUNT = 0.5
"""Added to every stratum of the log, so that a short log rules nothing out (Jeffreys)."""

ROUNDS = 50


@dataclass(frozen=True, slots=True)
class LogWeights:
    """A weight per query (mean 1), and how many unweighted queries would tell as much (Kish 1965)."""

    values: Mapping[str, float]
    effective: float


def strata(index: Index, texts: Sequence[str]) -> NDArray[np.int64]:
    """Describe queries by length and overlap: strata (n, 2)."""
    found = np.zeros((len(texts), 2), dtype=np.int64)
    levels = index.plan(ranker="bm25").configuration.granularities
    with index.reading() as snapshot:
        for row, text in enumerate(texts):
            terms, share = 0, 0.0
            for level in levels:
                distinct = sorted(set(analyse_query(text, KIND_OF[level])))
                lexical, (k1, b) = snapshot.lexical(level), defaults(KIND_OF[level])
                top, _ = lexical.top(distinct, 1, k1=k1, b=b)
                given = lexical.weights(distinct, top.tolist(), k1=k1, b=b)
                held = sum(1 for values in given.values() if values[:1].any())
                share = max(share, held / max(len(distinct), 1))
                terms = max(terms, len(distinct))
            found[row] = np.searchsorted(LENGTHS, terms), np.searchsorted(SHARES, share, side="right")
    return found


@dataclass(frozen=True, slots=True)
class Margins:
    """How people's queries are distributed: the share of each stratum of length, and of shared words; any total."""

    lengths: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, strata: NDArray[np.int64]) -> Margins:
        """Count the strata of some queries (n, 2)."""
        lengths, shares = (
            np.bincount(strata[:, axis], minlength=len(borders) + 1).astype(float)
            for axis, borders in enumerate((LENGTHS, SHARES))
        )
        return cls(tuple(lengths.tolist()), tuple(shares.tolist()))


def usual(kind: Kind) -> Margins:
    """Give the margins of people's queries on the development collections of prose or of code."""
    found = shipped_table()["people"][kind.value]
    return Margins(tuple(found["lengths"]), tuple(found["shares"]))


def weights(synthetic: Mapping[str, NDArray[np.int64]], people: Margins) -> LogWeights:
    """Rake the strata of synthetic queries (2,) to the margins of people's, and clip."""
    queries = list(synthetic)
    mine = np.array([synthetic[query] for query in queries]).reshape(-1, 2)
    values = np.ones(len(queries))
    for _ in range(ROUNDS if len(queries) else 0):
        for axis, (borders, counts) in enumerate(
            zip((LENGTHS, SHARES), (people.lengths, people.shares), strict=True)
        ):
            wanted = np.array(counts) + PSEUDO_COUNT
            have = np.bincount(mine[:, axis], weights=values, minlength=len(borders) + 1)
            wanted[have == 0] = 0  # no synthetic query is like that
            ratio = np.divide(
                wanted / wanted.sum(), have / have.sum(), out=np.ones_like(have), where=have > 0
            )
            values *= ratio[mine[:, axis]]
            values = np.clip(values / values.mean(), 1 / LARGEST, LARGEST)
    values = values / values.mean() if len(queries) else values
    effective = float(values.sum() ** 2 / (values**2).sum()) if len(queries) else 0.0
    return LogWeights(dict(zip(queries, values.tolist(), strict=True)), effective)
