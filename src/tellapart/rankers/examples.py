"""Examples and counter-examples: what they weigh, and how units of the index become some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorReader
from tellapart.rankers.query import Examples, Query

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weighted:
    """Vectors (k, d) that should be found (`weights` (k,) above 0) or avoided (below 0)."""

    vectors: Doubles
    weights: Doubles

    def __len__(self) -> int:
        return len(self.weights)

    def side(self, sign: int) -> Doubles:
        """Weighted sum (d,) of the vectors of one side, +1 or -1; weights counted positive."""
        chosen = np.sign(self.weights) == sign
        total: Doubles = np.abs(self.weights[chosen]) @ self.vectors[chosen]
        return total

    def normalised(self) -> Weighted:
        """Let what should be found weigh 1 together."""
        total = self.weights[self.weights > 0].sum()
        return Weighted(self.vectors, np.where(self.weights > 0, self.weights / total, self.weights))

    def turned(self) -> Weighted:
        """Swap what is to be found and what is to be avoided."""
        return Weighted(self.vectors, -self.weights)


def weigh(query: Query, *, text: float, liked: float, unliked: float) -> Weighted:
    """Give the text query, all liked and all unliked examples their total weights, each shared equally.

    Vectors of zeros are left out before weights are shared.

    Raises:
        TellapartError: there is neither a query vector nor any example.
    """
    if query.vector is None and (query.examples is None or not len(query.examples)):
        raise TellapartError(
            "this ranker needs a query's vector or examples: name an encoder with --encoder, or units with --like"
        )
    groups = []
    if query.vector is not None:
        groups.append((query.vector[None], text))
    if query.examples is not None:
        groups += [(query.examples.liked, liked), (query.examples.unliked, -unliked)]
    vectors, weights = [], []
    for group, weight in groups:
        seen = group[group.any(axis=1)].astype(np.float64)
        vectors.append(seen)
        weights.append(np.full(len(seen), weight / max(len(seen), 1)))
    return Weighted(np.concatenate(vectors), np.concatenate(weights))


def like_rows(
    vectors: VectorReader,
    liked: Sequence[int],
    unliked: Sequence[int] = (),
    *,
    vector: NDArray[np.float32] | None = None,
    terms: Sequence[str] = (),
) -> Query:
    """Ask for units like some rows of the index and unlike others, beside a text query or without one.

    A row named twice counts once. The rows themselves are not found, and are no negatives of an SVM.

    Raises:
        TellapartError: a row is both liked and unliked.
    """
    wanted, avoided = np.unique(np.asarray(liked, np.int64)), np.unique(np.asarray(unliked, np.int64))
    both = np.intersect1d(wanted, avoided)
    if len(both):
        raise TellapartError(f"unit {both[0]} is an example and a counter-example: leave one of them out")
    own = np.concatenate([wanted, avoided])
    if len(own) and (own.min() < 0 or own.max() >= vectors.n_rows):
        raise ValueError(f"examples {own.tolist()} outside of {vectors.n_rows} rows")
    examples = Examples(vectors.take(wanted), vectors.take(avoided))
    return Query(tuple(terms), vector, tuple(np.sort(own).tolist()), examples)


def live_rows(vectors: VectorReader, rows: Sequence[int]) -> tuple[Rows, Doubles]:
    """Give those rows that the moments of the index count (alive, not zero; each once) and their vectors (r, d)."""
    unique = np.unique(np.asarray(rows, dtype=np.int64))
    if len(unique) and (unique[0] < 0 or unique[-1] >= vectors.n_rows):
        raise ValueError(f"own rows {unique.tolist()} outside of {vectors.n_rows} rows")
    if vectors.alive is not None:
        unique = unique[vectors.alive[unique]]
    taken = vectors.take(unique).astype(np.float64)
    seen = taken.any(axis=1)
    return unique[seen], taken[seen]


def extended(vectors: NDArray[np.floating]) -> Doubles:
    """Widen rows to float64 and append the 1 that the bias multiplies."""
    whole = np.ones((len(vectors), vectors.shape[1] + 1))
    whole[:, :-1] = vectors
    return whole
