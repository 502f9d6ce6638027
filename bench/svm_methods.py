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
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.vectors import Direction

RATIOS = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Lambda in mean eigenvalues."""
BETAS = (0.5, 1.0, 2.0)
GAMMAS = (0.15, 0.3, 0.6)
COSTS = (0.01, 0.1, 1.0)
FOLDS = 5
SEED = 0
BLOCK = 256

Score = Callable[[Collection, VectorIndex, Sequence[Draw]], Iterator[Floats]]
"""Scores (n,) of all items for each draw."""


@dataclass(frozen=True)
class Method:
    """A way to rank; its settings are chosen on other queries than it is measured on."""

    name: str
    settings: tuple[Score, ...]


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
    return (
        Method("k-NN", (linear(Rocchio(), text=True),)),
        Method("centred k-NN", (linear(Rocchio(centred=True), text=True),)),
        Method("closed form", tuple(linear(ClosedFormSVM(ratio), text=True) for ratio in RATIOS)),
        Method("ridge", tuple(linear(Ridge(ratio), text=True) for ratio in RATIOS)),
    )


def by_examples() -> tuple[Method, ...]:
    """Rank by examples alone."""
    return (
        Method("mean (k-NN)", (linear(Rocchio(1, 1, 0), text=False),)),
        Method("centred mean", (linear(Rocchio(1, 1, 0, centred=True), text=False),)),
        Method("nearest example", (nearest,)),
        Method("closed form", tuple(linear(ClosedFormSVM(ratio), text=False) for ratio in RATIOS)),
        Method(
            "closed form on the mean",
            tuple(linear(ClosedFormSVM(ratio, pooled=True), text=False) for ratio in RATIOS),
        ),
        Method("ridge on the mean", tuple(linear(Ridge(ratio), text=False) for ratio in RATIOS)),
    )


def by_both() -> tuple[Method, ...]:
    """Rank by examples and the query's words."""
    return (
        Method("query + mean (Rocchio)", tuple(linear(Rocchio(1, beta, 0), text=True) for beta in BETAS)),
        Method(
            "centred query + mean",
            tuple(linear(Rocchio(1, beta, 0, centred=True), text=True) for beta in BETAS),
        ),
        Method("closed form, query + examples", tuple(linear(ClosedFormSVM(r), text=True) for r in RATIOS)),
        Method(
            "closed form on query + mean",
            tuple(linear(ClosedFormSVM(ratio, pooled=True), text=True) for ratio in RATIOS),
        ),
        Method("ridge on query + mean", tuple(linear(Ridge(ratio), text=True) for ratio in RATIOS)),
    )


def with_wrong(*, text: bool) -> tuple[Method, ...]:
    """The same with counter-examples."""
    return (
        Method(
            "Rocchio, counter-examples",
            tuple(linear(Rocchio(1, 1, gamma), text=text, wrong=True) for gamma in GAMMAS),
        ),
        Method(
            "centred Rocchio, counter-examples",
            tuple(linear(Rocchio(1, 1, gamma, centred=True), text=text, wrong=True) for gamma in GAMMAS),
        ),
        Method(
            "closed form, counter-examples",
            tuple(
                linear(ClosedFormSVM(ratio, unliked=weight), text=text, wrong=True)
                for ratio in RATIOS[1:4:2]
                for weight in GAMMAS
            ),
        ),
        Method(
            "ridge, counter-examples",
            tuple(
                linear(Ridge(ratio, gamma=gamma), text=text, wrong=True)
                for ratio in RATIOS[1:4:2]
                for gamma in GAMMAS
            ),
        ),
    )


def exact(*, text: bool) -> tuple[Method, ...]:
    return (Method("LinearSVC", tuple(linear_svc(cost, text=text) for cost in COSTS)),)


def measured(
    method: Method, collection: Collection, index: VectorIndex, draws: Sequence[Draw]
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Value per query, each with the setting that was best for the other folds, and those settings by fold."""
    columns = []
    for score in method.settings:
        scores = score(collection, index, draws)
        reached = [worth(collection, draw, own) for draw, own in zip(draws, scores, strict=True)]
        columns.append(by_query(draws, np.array(reached)))
    values = np.stack(columns, axis=1)
    if values.shape[1] == 1:
        return values[:, 0], (0,)
    folds = np.random.default_rng(SEED).permutation(len(values)) % FOLDS
    chosen = np.zeros(len(values))
    settings = []
    for fold in range(min(FOLDS, len(values))):
        others = values[folds != fold] if len(values) > 1 else values
        best = int(others.mean(axis=0).argmax())
        chosen[folds == fold] = values[folds == fold, best]
        settings.append(best)
    return chosen, tuple(settings)
