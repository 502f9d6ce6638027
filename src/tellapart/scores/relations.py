"""Named relations between units, learned from a few pairs: "is a kind of", "is used like", or the user's own.

One cosine mixes everything that two texts have in common. A relation is another view of the same units: it weighs
several plain comparisons of a unit x with a candidate y, made of the pairs (x_i, y_i), of the corpus, and of names:
"beagle: a breed of hound" says which unit it is a kind of.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError
from tellapart.scores.view_weights import (
    DIRECTED,
    PLAIN,
    SYMMETRIC,
    VIEWS,
    TypicalWeights,
    chosen_shrinkage,
    fitted_weights,
)

Floats = NDArray[np.float64]

FEWEST_PAIRS = 3
"""Pairs below which nothing is learned: one that is left out must leave two to learn from."""

MOST_PAIRS = 300
"""Pairs used at most, evenly spaced: leaving each of n out costs n to the fourth. So many take some
seconds."""

DIRECTIONS = 5
"""Views, the first ones, that are products of vectors; the others compare words."""

CANDIDATES = 1_000
"""Units that stand for all while weights are learned. More cost time and change no digit
that counts."""

SAME = 0.999
"""Cosine from which on a unit is the one that was asked for, up to rounding: it is no wrong answer."""

MAP_RIDGE = 0.5
"""Regularisation of the map, in units of the mean squared length of what it maps.
Not tuned."""

SPECTRUM_RIDGE = 1.0
"""Of the covariance, in mean eigenvalues, for roles: the weakest that leaves no direction noise. Not
tuned."""


Terms = frozenset[str]


@dataclass(frozen=True, slots=True)
class NamedUnits:
    """Units as vectors (n, d) of unit length, with the terms of each one's text and of its name, n each."""

    vectors: Floats
    texts: tuple[Terms, ...]
    names: tuple[Terms, ...]

    @classmethod
    def of(cls, vectors: ArrayLike, texts: Sequence[Terms] = (), names: Sequence[Terms] = ()) -> Self:
        """Put vectors (n, d) and words together; without words nothing is named."""
        rows = np.asarray(vectors, dtype=np.float64)
        nothing = (frozenset[str](),) * len(rows)
        return cls(rows, tuple(texts) or nothing, tuple(names) or nothing)

    def __len__(self) -> int:
        return len(self.vectors)

    def taken(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Keep some of them."""
        chosen = np.asarray(rows, dtype=np.int64)
        return type(self)(
            self.vectors[chosen],
            tuple(self.texts[row] for row in chosen.tolist()),
            tuple(self.names[row] for row in chosen.tolist()),
        )

    def and_then(self, others: NamedUnits) -> Self:
        """Put others behind them."""
        vectors = np.concatenate([self.vectors, others.vectors])
        return type(self)(vectors, self.texts + others.texts, self.names + others.names)


def name_views(x: NamedUnits, candidates: NamedUnits) -> Floats:
    """Compare the words of one unit with those of candidates (m, 2).

    names it: share of the words of y's name that stand in x. is named: share of the words of x's name that stand in y.
    """
    (text,), (name,) = x.texts, x.names
    named = [len(each & text) / max(len(each), 1) for each in candidates.names]
    naming = [len(name & each) / max(len(name), 1) for each in candidates.texts]
    return np.column_stack([named, naming])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the corpus says about directions: mean (d,), covariance (d, d) of all units, and some of the units."""

    mean: Floats
    covariance: Floats
    sample: NamedUnits


class RelationModel:
    """Scores candidates y for a unit x: a weighted sum of seven views, in the manner of scikit-learn.

    The weights maximise the likelihood of the pairs' answers among all units (conditional logit, McFadden 1974),
    shrunk towards those that other relations have (empirical Bayes), or are the plain cosine's where the pairs speak
    for nothing else; the views that were made of a pair are made without it while weights are learned, so that a few
    pairs do not flatter themselves.

        units = NamedUnits.of(vectors, texts, names)
        model = RelationModel().fit(units.taken(x), units.taken(y), surroundings_of(units))
        model.score(units.taken(x[:1]), units)

    Args:
        shrinkage: How strongly the weights are held at the typical ones; None = chosen by the likelihood of pairs
            left out.
        symmetric: Whether y is to x what x is to y: each pair then counts both ways.
        typical: Weights that relations have; None = those of `DIRECTED` or `SYMMETRIC`.

    Attributes:
        weights_: Of the standardised views (7,).
        scales_: Standard deviation of each view over units (7,).
        shrinkage_: How strongly the weights are held at the typical ones; infinite = the plain cosine.
        left_out_ranks_: Reciprocal rank of each answer among the sample, by views made without its pair: learned, and
            by the plain cosine (n,); of a symmetric relation the mean of both ways. The weights are those of all
            pairs: seven numbers hardly know any one of them.
    """

    def __init__(
        self,
        shrinkage: float | None = None,
        *,
        symmetric: bool = False,
        typical: TypicalWeights | None = None,
    ) -> None:
        self.shrinkage = shrinkage
        self.symmetric = symmetric
        self.typical = typical or (SYMMETRIC if symmetric else DIRECTED)

    def fit(self, X: NamedUnits, Y: NamedUnits, surroundings: Surroundings) -> Self:
        """Learn from pairs of units X, Y, n each.

        Raises:
            TellapartError: Too few pairs.
        """
        if len(X) < FEWEST_PAIRS:
            raise TellapartError(
                f"too few pairs to learn a relation ({len(X)}): needs {FEWEST_PAIRS - len(X)} more"
            )
        count = len(X)
        if self.symmetric:
            X, Y = X.and_then(Y), Y.and_then(X)
        self._prepare(surroundings)
        self.sources_, self.targets_ = X.vectors, Y.vectors
        pairs = [self._left_out(X, Y, each, surroundings.sample) for each in range(len(X))]
        self.scales_ = np.maximum(np.mean([views[1:].std(axis=0) for views in pairs], axis=0), 1e-9)
        compared = [views / self.scales_ for views in pairs]
        self.shrinkage_ = (
            chosen_shrinkage(compared, self.typical, symmetric=self.symmetric)
            if self.shrinkage is None
            else self.shrinkage
        )
        self.weights_ = fitted_weights(compared, self.shrinkage_, self.typical)
        learned, plain = (
            _reciprocal_ranks(compared, each).reshape(-1, count).mean(axis=0)
            for each in (self.weights_, PLAIN)
        )
        self.left_out_ranks_ = learned, plain
        return self

    def score(self, x: NamedUnits, candidates: NamedUnits) -> Floats:
        """Score candidates (m,) as answers to one unit: higher is better, comparable for one x only."""
        return self.vector_score(x, candidates.vectors) + self.name_score(x, candidates)

    def vector_score(self, x: NamedUnits, vectors: ArrayLike) -> Floats:
        """Give the part of the score (m,) that rests on vectors (m, d)."""
        directions = self.directions(x.vectors[0], np.arange(len(self.sources_)))
        weights = (self.weights_ / self.scales_)[:DIRECTIONS]
        return np.asarray(np.asarray(vectors, dtype=np.float64) @ (weights @ directions))

    def name_score(self, x: NamedUnits, candidates: NamedUnits) -> Floats:
        """Give the part of the score (m,) that rests on names."""
        return np.asarray(name_views(x, candidates) @ (self.weights_ / self.scales_)[DIRECTIONS:])

    def directions(self, x: Floats, pairs: NDArray[np.int64]) -> Floats:
        """What candidates are compared with for a unit (d,), in five ways (5, d), made of some of the pairs.

        cosine: x itself. step: the mean difference of the pairs. bend: how the difference depends on x, by kernel ridge
        regression, a map of rank n at most. role: how much y looks like the pairs' answers
        rather than like any unit (the direction of linear discriminant analysis). common: the corpus's mean, which
        general units have more of.
        """
        sources, targets = self.sources_[pairs], self.targets_[pairs]
        offset = (targets - sources).mean(axis=0)
        centred = sources - sources.mean(axis=0)
        kernel = centred @ centred.T
        ridge = MAP_RIDGE * max(float(np.trace(kernel)) / len(pairs), 1e-9)
        near = np.linalg.solve(kernel + ridge * np.eye(len(pairs)), centred @ (x - sources.mean(axis=0)))
        bent = near @ (targets - sources - offset)
        role = self._inverse @ (targets.mean(axis=0) - self._mean)
        return np.stack([x, offset, bent, role, self._mean])

    def _left_out(self, X: NamedUnits, Y: NamedUnits, pair: int, sample: NamedUnits) -> Floats:
        """Views of one pair's answer, first, and of the sample, made without that pair."""
        others = np.delete(np.arange(len(X)), pair)
        if self.symmetric:
            half = len(X) // 2
            others = others[others != (pair + half) % len(X)]
        x, answer = X.taken([pair]), Y.taken([pair])
        near = [(sample.vectors @ each.vectors[0]) >= SAME for each in (x, answer)]
        candidates = answer.and_then(sample.taken(np.flatnonzero(~near[0] & ~near[1])))
        by_vector = candidates.vectors @ self.directions(x.vectors[0], others).T
        return np.column_stack([by_vector, name_views(x, candidates)])

    def _prepare(self, surroundings: Surroundings) -> None:
        values, vectors = np.linalg.eigh(surroundings.covariance)
        values = np.maximum(values, 0) + SPECTRUM_RIDGE * max(float(values.mean()), 1e-12)
        self._mean = np.asarray(surroundings.mean, dtype=np.float64)
        self._inverse = (vectors / values) @ vectors.T

    def to_json(self) -> dict[str, Any]:
        """Give everything that was learned as plain values; `from_json` reads it."""
        return {
            "symmetric": self.symmetric,
            "weights": self.weights_.tolist(),
            "scales": self.scales_.tolist(),
            "dim": int(self.sources_.shape[1]),
            "sources": _packed(self.sources_),
            "targets": _packed(self.targets_),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any], surroundings: Surroundings) -> Self:
        """Read what `to_json` gave; mean and covariance are those of the corpus as it is now."""
        model = cls(symmetric=bool(kept["symmetric"]))
        model.sources_, model.targets_ = (
            _unpacked(kept[each], kept["dim"]) for each in ("sources", "targets")
        )
        model.weights_, model.scales_ = np.array(kept["weights"]), np.array(kept["scales"])
        model._prepare(surroundings)
        return model


def surroundings_of(units: NamedUnits) -> Surroundings:
    """Describe units that are all in memory."""
    rows = np.arange(len(units))
    if len(rows) > CANDIDATES:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), CANDIDATES, replace=False))
    vectors = units.vectors
    return Surroundings(vectors.mean(axis=0), np.cov(vectors, rowvar=False), units.taken(rows))


def _reciprocal_ranks(pairs: Sequence[Floats], weights: Floats) -> Floats:
    """Reciprocal rank (n,) of each answer, the first of its (1 + m, 7), by some weights."""
    scores = [views @ weights for views in pairs]
    return np.array([1 / (1 + (each[1:] > each[0]).sum()) for each in scores])


def _packed(rows: Floats) -> str:
    return base64.b64encode(rows.astype("<f2").tobytes()).decode("ascii")


def _unpacked(text: str, dim: int) -> Floats:
    return np.frombuffer(base64.b64decode(text), dtype="<f2").reshape(-1, dim).astype(np.float64)


def decoded(text: str) -> dict[str, Any] | None:
    """Read a record; None where another version of tellapart wrote something else."""
    try:
        kept = json.loads(text)
    except ValueError:
        return None
    return kept if isinstance(kept, dict) and len(kept.get("weights", ())) == len(VIEWS) else None
