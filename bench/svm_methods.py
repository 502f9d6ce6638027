"""Ways to rank by examples, each with the settings that cross-validation may choose among."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svm_draws import Draw, by_query, worth
from svm_sets import Collection, Floats
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import Weighted, like_rows, live_rows, weigh
from tellapart.rankers.query import Query
from tellapart.rankers.ridge import ExpandedRidge, Ridge
from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.vectors import Direction, Linear

RATIOS = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Lambda in mean eigenvalues."""
FEWER = (10.0, 30.0, 100.0)
"""Lambda where it is chosen together with a weight."""
BETAS = (0.5, 1.0, 2.0, 4.0)
GAMMAS = (0.05, 0.15, 0.3, 0.6)
USUAL_SVM, USUAL_RIDGE = 10.0, 30.0
"""Lambda beside weights of examples and counter-examples: what was mostly chosen without the latter."""
COSTS = (0.01, 0.1, 1.0)
FOLDS = 5
SEED = 0
BLOCK = 256


@dataclass(frozen=True, slots=True)
class CentredRocchio:
    """Rocchio's formula with every vector measured from the mean of the other units."""

    alpha: float = 1.0
    beta: float = 0.75
    gamma: float = 0.15

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Give the linear function of a query and its examples."""
        given = weigh(query, text=self.alpha, liked=self.beta, unliked=self.gamma)
        moments, (_, own) = vectors.moments(), live_rows(vectors, query.own_rows)
        mean = (moments.total - own.sum(axis=0)) / max(moments.n - len(own), 1)
        return Linear(given.weights @ given.vectors - given.weights.sum() * mean, 0.0)


@dataclass(frozen=True, slots=True)
class PooledSVM(ClosedFormSVM):
    """The closed form with the mean of each side as its only example."""

    def weighted(self, query: Query) -> Weighted:
        """Replace the vectors of each side by their weighted mean."""
        given = ClosedFormSVM.weighted(self, query)
        sides = [sign for sign in (1, -1) if (np.sign(given.weights) == sign).any()]
        weights = np.array([given.weights[np.sign(given.weights) == sign].sum() for sign in sides])
        means = np.array([given.side(sign) for sign in sides]).reshape(-1, given.vectors.shape[1])
        return Weighted(means / np.abs(weights)[:, None], weights)


Score = Callable[[Collection, VectorIndex, Sequence[Draw]], Iterator[Floats]]
"""Scores (n,) of all items for each draw."""


Setting = tuple[str, Score]
"""A setting's values as they are printed, and the scores it gives."""


@dataclass(frozen=True)
class Method:
    """A way to rank; its settings are chosen on other queries than it is measured on."""

    name: str
    settings: tuple[Setting, ...]


def linear(direction: Direction, *, text: bool, wrong: bool = False) -> Score:
    """Score by one of tellapart's linear rankers."""

    def score(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        for first in range(0, len(draws), BLOCK):
            block = draws[first : first + BLOCK]
            queries = [_query(collection, index, draw, text=text, wrong=wrong) for draw in block]
            w = np.stack([direction(query, index).w for query in queries]).astype(np.float32)
            yield from w @ collection.vectors.T

    return score


def _query(collection: Collection, index: VectorIndex, draw: Draw, *, text: bool, wrong: bool) -> Query:
    vector = collection.queries[draw.query] if text and collection.queries is not None else None
    if not draw.liked:
        return Query(vector=vector)
    return like_rows(index, draw.liked, draw.unliked if wrong else (), vector=vector)


def nearest(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
    """Score by the most similar example."""
    for draw in draws:
        yield (collection.vectors[list(draw.liked)] @ collection.vectors.T).max(axis=0)


def linear_svc(cost: float, *, text: bool) -> Score:
    """Score by scikit-learn's LinearSVC: examples (and the query) against all other items, exactly."""

    def score(collection: Collection, index: VectorIndex, draws: Sequence[Draw]) -> Iterator[Floats]:
        from sklearn.svm import LinearSVC

        for draw in draws:
            rows, labels = collection.vectors, np.zeros(len(collection.vectors), dtype=int)
            labels[list(draw.liked)] = 1
            if text and collection.queries is not None:
                rows = np.vstack([rows, collection.queries[draw.query]])
                labels = np.append(labels, 1)
            machine = LinearSVC(C=cost, class_weight="balanced", dual=False, tol=1e-4, max_iter=1000)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                machine.fit(rows, labels)
            yield (collection.vectors @ machine.coef_[0]).astype(np.float32)

    return score


def by_text() -> tuple[Method, ...]:
    """Rank by the query's words alone."""
    return (
        Method("k-NN", (("", linear(Rocchio(), text=True)),)),
        Method("centred k-NN", (("", linear(CentredRocchio(), text=True)),)),
        Method("closed form", _each(RATIOS, lambda ratio: linear(ClosedFormSVM(ratio), text=True))),
        Method("ridge", _each(RATIOS, lambda ratio: linear(Ridge(ratio), text=True))),
    )


def by_examples() -> tuple[Method, ...]:
    """Rank by examples alone."""
    return (
        Method("mean (k-NN)", (("", linear(Rocchio(1, 1, 0), text=False)),)),
        Method("centred mean", (("", linear(CentredRocchio(1, 1, 0), text=False)),)),
        Method("nearest example", (("", nearest),)),
        Method("closed form", _each(RATIOS, lambda ratio: linear(ClosedFormSVM(ratio), text=False))),
        Method(
            "closed form on the mean",
            _each(RATIOS, lambda ratio: linear(PooledSVM(ratio), text=False)),
        ),
        Method("ridge on the mean", _each(RATIOS, lambda ratio: linear(Ridge(ratio), text=False))),
        Method("expanded ridge", (("", linear(ExpandedRidge(), text=False)),)),
    )


def by_both() -> tuple[Method, ...]:
    """Rank by examples and the query's words; the examples together weigh half as much as they to 4 times."""
    return (
        Method("query + mean (Rocchio)", _each(BETAS, lambda beta: linear(Rocchio(1, beta, 0), text=True))),
        Method(
            "centred query + mean",
            _each(BETAS, lambda beta: linear(CentredRocchio(1, beta, 0), text=True)),
        ),
        Method(
            "closed form, query + examples",
            _pairs(FEWER, BETAS, lambda r, beta: linear(ClosedFormSVM(r, liked=_share(beta)), text=True)),
        ),
        Method(
            "closed form on query + mean",
            _pairs(
                FEWER,
                BETAS,
                lambda r, beta: linear(PooledSVM(r, liked=_share(beta)), text=True),
            ),
        ),
        Method(
            "ridge on query + mean",
            _pairs(FEWER, BETAS, lambda r, beta: linear(Ridge(r, beta=beta), text=True)),
        ),
        Method("expanded ridge, query + mean", (("", linear(ExpandedRidge(), text=True)),)),
    )


def with_wrong(*, text: bool) -> tuple[Method, ...]:
    """Rank by examples, counter-examples and the query's words where there are some; lambda stays as it usually is."""
    betas = BETAS if text else (1.0,)
    return (
        Method(
            "Rocchio, counter-examples",
            _pairs(betas, GAMMAS, lambda b, g: linear(Rocchio(1, b, g), text=text, wrong=True)),
        ),
        Method(
            "centred Rocchio, counter-examples",
            _pairs(betas, GAMMAS, lambda b, g: linear(CentredRocchio(1, b, g), text=text, wrong=True)),
        ),
        Method(
            "closed form, counter-examples",
            _pairs(
                betas,
                GAMMAS,
                lambda b, g: linear(
                    ClosedFormSVM(USUAL_SVM, liked=_share(b), unliked=g), text=text, wrong=True
                ),
            ),
        ),
        Method(
            "ridge, counter-examples",
            _pairs(
                betas, GAMMAS, lambda b, g: linear(Ridge(USUAL_RIDGE, beta=b, gamma=g), text=text, wrong=True)
            ),
        ),
    )


def exact(*, text: bool) -> tuple[Method, ...]:
    """The SVM itself."""
    return (Method("LinearSVC", _each(COSTS, lambda cost: linear_svc(cost, text=text))),)


def _each(values: Sequence[float], make: Callable[[float], Score]) -> tuple[Setting, ...]:
    return tuple((f"{value:g}", make(value)) for value in values)


def _pairs(
    firsts: Sequence[float], seconds: Sequence[float], make: Callable[[float, float], Score]
) -> tuple[Setting, ...]:
    return tuple((f"{a:g}, {b:g}", make(a, b)) for a in firsts for b in seconds)


def _share(beta: float) -> float:
    """Share of the examples among the positives, where they weigh `beta` times the query."""
    return beta / (1.0 + beta)


def measured(
    method: Method, collection: Collection, index: VectorIndex, draws: Sequence[Draw]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Value per query, each with the setting that was best for the other folds, and those settings by fold."""
    columns = []
    for _, score in method.settings:
        scores = score(collection, index, draws)
        reached = [worth(collection, draw, own) for draw, own in zip(draws, scores, strict=True)]
        columns.append(by_query(draws, np.array(reached)))
    values = np.stack(columns, axis=1)
    if values.shape[1] == 1:
        return values[:, 0], ()
    folds = np.random.default_rng(SEED).permutation(len(values)) % FOLDS
    chosen = np.zeros(len(values))
    settings = []
    for fold in range(min(FOLDS, len(values))):
        others = values[folds != fold] if len(values) > 1 else values
        best = int(others.mean(axis=0).argmax())
        chosen[folds == fold] = values[folds == fold, best]
        settings.append(method.settings[best][0])
    return chosen, tuple(settings)
