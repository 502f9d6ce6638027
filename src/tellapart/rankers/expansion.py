"""Ridge by examples and by what they find: its first units count as further examples, and ridge ranks again.

Query expansion on vectors (pseudo-relevance feedback, Rocchio's formula fed by its own first answer; average query
expansion of Chum et al., ICCV 2007). A few examples say little of how far a kind of thing reaches; the units nearest
to all of them are mostly of that kind and lie between them. As ridge is linear in what it looks for, the second
ranking costs one more solution and one more search:

    w = (M + lambda I)^-1 (c + share x beta x mean of the first units),

with c and M of ridge. A single example leaves open what it is an example of, and what it finds is no proof: there,
and where there is none, ridge ranks as by default.
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
"""Examples from which on the answer is expanded: with one, judged sets lost (bench/svm_expansion.py)."""

RATIO = 10.0
UNITS = 10
SHARE, BESIDE_WORDS = 0.5, 0.25
"""Lambda in mean eigenvalues, how many first units, and what they weigh together where the examples weigh 1: best on
114 concepts of WordNet among the settings that lost nothing on judged sets. Beside words, judged sets lost at .5
(bench/svm_expansion.py)."""


@dataclass(frozen=True, slots=True)
class ExpandedRidge:
    """Rank by `ridge`, let its first `units` weigh `share` of what the examples weigh, and rank again.

    The first units are the corpus' own: neither the examples nor units of the same document, and a filter of the
    search does not restrict them.
    """

    ridge: Ridge = field(default_factory=lambda: Ridge(RATIO))
    alone: Ridge = field(default_factory=Ridge)
    units: int = UNITS
    share: float = SHARE
    beside_words: float = BESIDE_WORDS

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Give the linear function of the second ranking, or ridge's where there are fewer than two examples."""
        if query.examples is None or np.count_nonzero(query.examples.liked.any(axis=1)) < FEWEST:
            return self.alone(query, vectors)
        first = self.ridge(query, vectors)
        near = self._first_units(query, vectors, first.w)
        if not len(near):
            return first
        share = self.share if query.vector is None else self.beside_words
        pull = share * self.ridge.of_liked(query) * near.mean(axis=0)
        return Linear(first.w + self.ridge.solve(pull, query.own_rows, vectors), 0.0)

    def _first_units(self, query: Query, vectors: VectorIndex, w: Doubles) -> Doubles:
        allowed = np.ones(vectors.n_rows, dtype=bool)
        allowed[list(query.own_rows)] = False
        rows, _ = vectors.search(w.astype(np.float32)[None], self.units, allowed=allowed)
        return vectors.take(rows[0][rows[0] >= 0]).astype(np.float64)
