"""Ridge by examples and by what they find: its first units count as further examples, and ridge ranks again.

Query expansion on vectors (pseudo-relevance feedback, Rocchio's formula fed by its own first answer; average query
expansion of Chum et al., ICCV 2007). A few examples say little of how far a kind of thing reaches; the units nearest
to all of them are mostly of that kind and lie between them. As ridge is linear in what it looks for, the second
ranking costs one more solution and one more search:

    w = (M + lambda I)^-1 (c + beta / n x mean of the first units),

with c and M of ridge, and beta / n what one of n examples weighs: all first units together are one more example. (A
weight that does not fall with n lost on banking77 from five examples on.) A single example leaves open what it is an
example of, and what it finds is no proof: there, and where there is none, ridge ranks as by default.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import Doubles
from tellapart.rankers.query import Query
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.vectors import Linear

FEWEST = 2
"""Examples from which on the answer is expanded. With one it gained nothing on the judged sets in 20 settings, and lost
up to .012 nDCG@10 (measured once, minilm)."""

RATIO = 10.0
UNITS = 10
WEIGHT = 1.0
"""Lambda in mean eigenvalues, how many first units, and what they weigh together where one example weighs 1: of what
gains on 114 concepts of WordNet the largest that loses nothing on judged sets and intents (bench/svm_expansion.py)."""


@dataclass(frozen=True, slots=True)
class ExpandedRidge:
    """Rank by `ridge`, let its first `units` together weigh `weight` times one example, and rank again.

    The first units are the corpus' own: neither the examples nor units of the same document, and a filter of the
    search does not restrict them.
    """

    ridge: Ridge = field(default_factory=lambda: Ridge(RATIO))
    alone: Ridge = field(default_factory=Ridge)
    units: int = UNITS
    weight: float = WEIGHT

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Give the linear function of the second ranking, or ridge's where there are fewer than two examples."""
        n = 0 if query.examples is None else np.count_nonzero(query.examples.liked.any(axis=1))
        if n < FEWEST:
            return self.alone(query, vectors)
        first = self.ridge(query, vectors)
        near = self._first_units(query, vectors, first.w)
        if not len(near):
            return first
        pull = self.weight * self.ridge.of_liked(query) / n * near.mean(axis=0)
        return Linear(first.w + self.ridge.solve(pull, query.own_rows, vectors), 0.0)

    def _first_units(self, query: Query, vectors: VectorIndex, w: Doubles) -> Doubles:
        allowed = np.ones(vectors.n_rows, dtype=bool)
        allowed[list(query.own_rows)] = False
        rows, _ = vectors.search(w.astype(np.float32)[None], self.units, allowed=allowed)
        return vectors.take(rows[0][rows[0] >= 0]).astype(np.float64)
