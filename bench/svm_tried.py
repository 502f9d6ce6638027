"""Other ways to let the corpus around a few examples speak, each as it did best on some concepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from svm_draws import Draw
from svm_methods import CentredRocchio, Method, Score, linear
from svm_sets import Collection, Floats
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.rocchio import Rocchio

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Doubles = NDArray[np.float64]
Side = Callable[[list[int]], Doubles]
"""Scores (n,) of all units for examples given by row."""

NEIGHBOURS, CUBE = 30, 3
"""Edges a unit of the graph; cosines are raised to that power, which lets near neighbours say more."""
LOOPS = 20
RIDGE = Ridge(10.0)


@dataclass(frozen=True)
class Seen:
    """A collection in the coordinates of its covariance: centred `rows` (n, d), `values` the variances (d,)."""

    rows: Doubles
    values: Doubles

    @classmethod
    def of(cls, vectors: Floats) -> Seen:
        """Turn vectors (n, d)."""
        centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
        values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        return cls(centred @ axes, np.maximum(values, 0.0))


def tried(collection: Collection, other: Collection) -> tuple[Method, ...]:
    """Every way, on units that have vectors of another encoder too."""
    seen = Seen.of(collection.vectors)
    graph = _graph(_unit(seen.rows))
    scores: dict[str, Score] = {
        "mean": linear(Rocchio(1, 1, 0), text=False),
        "centred mean": linear(CentredRocchio(1, 1, 0), text=False),
        "ridge (lambda 10)": linear(RIDGE, text=False),
        "half whitened: covariance to the power -1/2": _by_rows(lambda rows: _whitened(seen, rows)),
        "dimensions weighed by how much the examples differ": _by_rows(lambda rows: _fisher(seen, rows)),
        "sum of exp(cosine / .2) to each example, centred": _by_rows(lambda rows: _softmax(seen, rows)),
        "ridge and .2 of the nearest example": _mixed(lambda rows: _nearest(seen, rows), 0.2),
        "diffusion on the graph of 30 neighbours (alpha .8)": _by_rows(lambda rows: _diffused(graph, rows)),
        "ridge and .3 of log diffusion": _mixed(lambda rows: np.log(_diffused(graph, rows) + 1e-9), 0.3),
        "ridge's scores, cubed, diffused on the graph": _smoothed(graph),
        "ridge, each example with its own 5 neighbours": _each_expanded(5),
        "ridge with .1 of lsa's": _mixed(lambda rows: _of_other(other, rows), 0.1),
        "expanded ridge, first units weigh half of all examples": _share(10, 0.5),
        "expanded ridge, 3 rounds": _rounds(10, 3),
    }
    return tuple(Method(name, (("", score),)) for name, score in scores.items())


def _by_rows(score: Side) -> Score:
    def scores(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for draw in draws:
            yield score(list(draw.liked)).astype(np.float32)

    return scores


def _mixed(side: Side, weight: float) -> Score:
    """Ridge's z-scores with some of another side's."""

    def scores(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for draw, own in zip(draws, linear(RIDGE, text=False)(collection, index, draws), strict=True):
            yield (_z(own) + weight * _z(side(list(draw.liked)))).astype(np.float32)

    return scores


def _smoothed(graph: csr_matrix) -> Score:
    def scores(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for own in linear(RIDGE, text=False)(collection, index, draws):
            yield _spread(graph, np.maximum(_z(own), 0.0) ** CUBE, 8).astype(np.float32)

    return scores


def _each_expanded(units: int) -> Score:
    """Expand every example by its own neighbours, not all together by what is near to all."""

    def scores(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for draw in draws:
            near = [_first(collection, index, (row,), draw, units) for row in draw.liked]
            yield _again(collection, index, draw, np.mean(near, axis=0), 1.0 / len(draw.liked))

    return scores


def _share(units: int, share: float) -> Score:
    def scores(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for draw in draws:
            near = _first(collection, index, draw.liked, draw, units)
            yield _again(collection, index, draw, near, share)

    return scores


def _rounds(units: int, rounds: int) -> Score:
    def scores(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for draw in draws:
            own = collection.vectors @ RIDGE.solve(_mean(collection, draw.liked), draw.liked, index)
            for _ in range(rounds):
                own[list(draw.liked)] = -np.inf
                near = _mean(collection, np.argsort(-own, kind="stable")[:units])
                own = _again(collection, index, draw, near, 1.0 / len(draw.liked))
            yield own.astype(np.float32)

    return scores


def _first(
    collection: Collection, index: VectorIndex, rows: Sequence[int], draw: Draw, units: int
) -> Doubles:
    """Mean of the first units by ridge for some of a draw's examples."""
    own = collection.vectors @ RIDGE.solve(_mean(collection, rows), draw.liked, index)
    own[list(draw.liked)] = -np.inf
    return _mean(collection, np.argsort(-own, kind="stable")[:units])


def _again(collection: Collection, index: VectorIndex, draw: Draw, near: Doubles, share: float) -> Floats:
    pull = _mean(collection, draw.liked) + share * near
    return np.asarray(collection.vectors @ RIDGE.solve(pull, draw.liked, index), dtype=np.float32)


def _mean(collection: Collection, rows: Sequence[int] | NDArray[np.int64]) -> Doubles:
    return np.asarray(collection.vectors[list(rows)].mean(axis=0), dtype=np.float64)


def _whitened(seen: Seen, rows: list[int]) -> Doubles:
    return np.asarray(seen.rows @ (seen.rows[rows].mean(axis=0) / np.sqrt(seen.values + seen.values.mean())))


def _fisher(seen: Seen, rows: list[int]) -> Doubles:
    """Fisher's direction with variances along axes: of the examples, held to those of all units as 10 more would."""
    within = (len(rows) * seen.rows[rows].var(axis=0) + 10 * seen.values) / (len(rows) + 10)
    return np.asarray(seen.rows @ (seen.rows[rows].mean(axis=0) / (within + 3 * seen.values.mean())))


def _softmax(seen: Seen, rows: list[int]) -> Doubles:
    unit = _unit(seen.rows)
    return np.asarray(np.exp(unit[rows] @ unit.T / 0.2).sum(axis=0))


def _nearest(seen: Seen, rows: list[int]) -> Doubles:
    unit = _unit(seen.rows)
    return np.asarray((unit[rows] @ unit.T).max(axis=0))


def _of_other(other: Collection, rows: list[int]) -> Doubles:
    return np.asarray(other.vectors @ other.vectors[rows].mean(axis=0), dtype=np.float64)


def _diffused(graph: csr_matrix, rows: list[int]) -> Doubles:
    """Rank on the manifold (Zhou et al. 2004): what walks from the examples come to, alpha .8."""
    start = np.zeros(graph.shape[0])
    start[rows] = 1.0 / len(rows)
    return _spread(graph, start, LOOPS)


def _spread(graph: csr_matrix, start: Doubles, loops: int) -> Doubles:
    found = start
    for _ in range(loops):
        found = 0.8 * (graph @ found) + 0.2 * start
    return found


def _graph(unit: Doubles) -> csr_matrix:
    """Neighbours of every unit, symmetric, normalised by degree on both sides."""
    from scipy.sparse import csr_matrix, diags

    n = len(unit)
    near, weights = np.empty((n, NEIGHBOURS), dtype=np.int64), np.empty((n, NEIGHBOURS))
    for first in range(0, n, 1000):
        cosines = unit[first : first + 1000] @ unit.T
        cosines[np.arange(len(cosines)), np.arange(first, first + len(cosines))] = -1.0
        top = np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        near[first : first + len(top)] = top
        weights[first : first + len(top)] = np.maximum(np.take_along_axis(cosines, top, axis=1), 0.0) ** CUBE
    whole = csr_matrix((weights.ravel(), (np.repeat(np.arange(n), NEIGHBOURS), near.ravel())), shape=(n, n))
    whole = whole.maximum(whole.T)
    scale = diags(1.0 / np.sqrt(np.maximum(np.asarray(whole.sum(axis=1)).ravel(), 1e-12)))
    return (scale @ whole @ scale).tocsr()


def _unit(rows: Doubles) -> Doubles:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _z(scores: NDArray[np.floating]) -> Doubles:
    wide = scores.astype(np.float64)
    return np.asarray((wide - wide.mean()) / wide.std())
