"""What a ranker is asked, what it may look at, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.lexical import Bm25
from tellapart.index.names import Names
from tellapart.index.vectors import VectorReader

ScanKind = Literal["exact", "approximate"]
Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

# A relative duality gap of this bounds the error of every score by some 1e-6; what rounding leaves is 1e-15.
TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best units of one granularity: `rows` (k,) and their `scores` (k,), best first, ties by row.

    `components` holds what the score was made of, by ranker name, aligned with `rows`.
    """

    rows: Rows
    scores: Scores
    components: Mapping[str, Scores] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far a solution is proven to be the optimum of the exemplar SVM.

    `kind` is approximate where codes of the index, which may overlook a unit, did the scan. `violation` is by
    how much a unit that the solver did not know lies inside the margin, 0 at the optimum; `gap` the duality gap
    over the known ones, relative to the objective. `active` units lie inside the margin; `rounds` of solving.
    """

    kind: ScanKind
    rounds: int
    active: int
    violation: float
    gap: float

    @property
    def holds(self) -> bool:
        """Whether the solution is the optimum, up to rounding."""
        return self.violation == 0.0 and self.gap <= TOLERANCE

    def __str__(self) -> str:
        what = "optimum" if self.holds else f"no optimum (violation {self.violation:.2g})"
        scan = "an exact scan" if self.kind == "exact" else "an approximate scan"
        return (
            f"{what} by {scan}; active units {self.active}, rounds {self.rounds}, relative gap {self.gap:.1g}"
        )


Mask = NDArray[np.bool_]
Dense = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Examples:
    """Vectors of what the user likes, float32 (m, d), and of what not, (j, d); rows of zeros say nothing."""

    liked: NDArray[np.float32]
    unliked: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.liked) + len(self.unliked)


@dataclass(frozen=True, slots=True)
class Query:
    """A query as words, as a vector and by examples, which rankers of vectors understand.

    `text` is what the user wrote, for rankers that look at more than words. `own_rows` are the units that the query
    or its examples were taken from: they must not win.
    """

    terms: tuple[str, ...] = ()
    vector: NDArray[np.float32] | None = None
    own_rows: tuple[int, ...] = ()
    examples: Examples | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one granularity; `allowed` (rows,) restricts which may be found, None = all alive.

    `names` are those of all documents, and `offsets` (documents + 1,) says which rows are whose. `at_line` gives the
    ordinal of the unit that holds a line of a document, the latter by its position among all; None beyond its end.
    """

    granularity: Granularity
    n_rows: int
    lexical: Bm25
    vectors: VectorReader | None
    alive: Mask | None
    allowed: Mask | None = None
    offsets: NDArray[np.int64] | None = None
    names: Names | None = None
    at_line: Callable[[int, int], int | None] | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Number, mean and standard deviation of a query's scores over all live units."""

    n: int
    mean: float
    std: float

    @classmethod
    def of_all(cls, spreads: Sequence[Spread]) -> Spread:
        """Spread of the union of several populations."""
        n = sum(spread.n for spread in spreads)
        if not n:
            return cls(0, 0.0, 0.0)
        mean = sum(spread.n * spread.mean for spread in spreads) / n
        square = sum(spread.n * (spread.std**2 + spread.mean**2) for spread in spreads) / n
        return cls(n, mean, max(square - mean * mean, 0.0) ** 0.5)

    def standardise(self, scores: Dense) -> Dense:
        """Give z-scores; all 0 where every unit scores the same."""
        if self.std <= 0:
            return np.zeros_like(scores)
        return ((scores - np.float32(self.mean)) / np.float32(self.std)).astype(np.float32)


Spreads = Mapping[str, Spread]
"""Spread of each score a ranking is made of, by its name."""


class Ranker(Protocol):
    """Orders units for a query.

    With `spreads` given, scores are standardised by them, so that those of two granularities compare.
    """

    @property
    def name(self) -> str:
        """How users call it."""
        ...

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Say how the scores it is made of are spread over all live units."""
        ...

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k allowed units."""
        ...

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row, (rows,); rows that may not be found get -inf."""
        ...


def standardised(scores: Dense, name: str, spreads: Spreads | None) -> Dense:
    """Give z-scores where a spread is given, else the scores themselves."""
    return scores if spreads is None else spreads[name].standardise(scores)


def forbid(scores: Dense, units: Units) -> Dense:
    """Give -inf to the rows that may not be found."""
    if units.allowed is not None:
        return np.where(units.allowed, scores, np.float32(-np.inf))
    if units.alive is not None:
        return np.where(units.alive, scores, np.float32(-np.inf))
    return scores


def without_own(query: Query, units: Units) -> Mask | None:
    """Restrict the allowed rows to those that are not the query itself."""
    if not query.own_rows:
        return units.allowed
    base = units.allowed if units.allowed is not None else units.alive
    allowed = np.ones(units.n_rows, dtype=bool) if base is None else base.copy()
    allowed[list(query.own_rows)] = False
    return allowed
