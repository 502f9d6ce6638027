"""The exemplar SVM's closed form, scored by cosine in the whitened space instead of by the decision value.

A decision value is (x - mean).w: how far a unit lies along w, which is longer for units far from the mean of the
corpus whatever they are about. Here it is divided by the unit's length in the space where the SVM's metric is the
identity, sqrt(x~T (lambda I + M)^-1 x~) with x~ = [x; 1]. The index of k-NN proposes the best by decision value,
which are scored again: lengths vary by some per cent only (3 % on 58k MiniLM vectors, where the best 10 were among
the first 18 for each of 60 queries; 11 % on the synthetic rows of bench/knn_speed.py, among the first 206).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.index.vectors.candidates import best_first
from tellapart.rankers.examples import Doubles
from tellapart.rankers.query import (
    Dense,
    Mask,
    Query,
    Spread,
    Spreads,
    Units,
    forbid,
    standardised,
    without_own,
)
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.types import Ranking, Rows
from tellapart.rankers.vectors import Linear, vectors_of

# Units proposed for each one asked for, and at least: see above.
_FACTOR = 20
_LEAST = 200

_KEPT: WeakKeyDictionary[VectorIndex, tuple[float, Doubles]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class WhitenedSVM:
    """Orders units by their cosine with the SVM's direction in the whitened space; a ranker."""

    form: ClosedFormSVM = field(default_factory=ClosedFormSVM)
    name: str = "svm"

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Mean and deviation over all live units, every one scored: there is no closed form."""
        vectors = vectors_of(units)
        dense = self.dense(query, vectors)
        live = dense if vectors.alive is None else dense[vectors.alive]
        if not len(live):
            return {self.name: Spread(0, 0.0, 0.0)}
        return {self.name: Spread(len(live), float(live.mean()), float(live.std()))}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units."""
        found = self.search(query, vectors_of(units), k, allowed=without_own(query, units))
        return Ranking(found.rows, standardised(found.scores, self.name, spreads), found.components)

    def search(self, query: Query, vectors: VectorIndex, k: int, *, allowed: Mask | None = None) -> Ranking:
        """Give the best k rows of a vector index; the query's own rows may be among them."""
        linear = self.form(query, vectors)
        depth = max(_FACTOR * k, _LEAST)
        proposed = vectors.search(linear.w.astype(np.float32)[None], depth, allowed=allowed)[0][0]
        rows = proposed[proposed >= 0]
        best, scores = best_first(rows, self._scores(linear, vectors, rows), k)
        return Ranking(best, scores, {self.name: scores})

    def scores_of(self, query: Query, units: Units, rows: Rows) -> Dense:
        """Score some rows, (len(rows),)."""
        vectors = vectors_of(units)
        return self._scores(self.form(query, vectors), vectors, rows)

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row; -inf for those that may not be found."""
        vectors = vectors_of(units)
        dense = self.dense(query, vectors)
        return forbid(standardised(dense, self.name, spreads), units)

    def _scores(self, linear: Linear, vectors: VectorIndex, rows: Rows) -> Dense:
        taken = vectors.take(rows).astype(np.float64)
        spectrum = vectors.spectrum()
        lengths = spectrum.lengths(self._ridge(vectors), taken)
        return _cosines(taken @ linear.w, linear.w, spectrum.mean, lengths)

    def dense(self, query: Query, vectors: VectorIndex) -> Dense:
        """Score every row of a vector index, the dead included."""
        linear = self.form(query, vectors)
        if not vectors.n_alive:
            return np.zeros(vectors.n_rows, dtype=np.float32)
        products = vectors.scores(linear.w.astype(np.float32)).astype(np.float64)
        lengths = _all_lengths(vectors, self._ridge(vectors))
        return _cosines(products, linear.w, vectors.spectrum().mean, lengths)

    def _ridge(self, vectors: VectorIndex) -> float:
        spectrum = vectors.spectrum()
        return self.form.ridge(spectrum, spectrum.n)


def _cosines(products: Doubles, w: Doubles, mean: Doubles, lengths: Doubles) -> Dense:
    """Divide (x - mean).w by the units' lengths; the length of w is the same for all."""
    return ((products - mean @ w) / lengths).astype(np.float32)


def _all_lengths(vectors: VectorIndex, ridge: float) -> Doubles:
    """Lengths of all rows, O(rows d^2): kept for the last lambda as long as the index lives."""
    kept = _KEPT.get(vectors)
    if kept is None or kept[0] != ridge:
        spectrum = vectors.spectrum()
        parts = [spectrum.lengths(ridge, part.astype(np.float64)) for _, part in vectors.blocks()]
        kept = _KEPT[vectors] = ridge, np.concatenate(parts)
    return kept[1]
