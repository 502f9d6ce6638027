"""Choosing on some queries and scoring on the others, so that a choice never grades itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
"""Parts of the queries. Our choice, the usual one: four fifths choose, and every query is scored once."""

Values = NDArray[np.float64]
Folds = NDArray[np.int64]


def assign_folds(clusters: Sequence[str], *, folds: int = FOLDS, seed: int = 0) -> Folds:
    """Give each query (n,) a fold; queries of one cluster share theirs, folds are equally many clusters."""
    labels = sorted(set(clusters))
    order = np.random.default_rng(seed).permutation(len(labels))
    fold_of = {labels[label]: position % folds for position, label in enumerate(order.tolist())}
    return np.array([fold_of[cluster] for cluster in clusters], dtype=np.int64)


def cross_fitted(values: Values, folds: Folds) -> Values:
    """Score each query with the column of `values` (n, m) that has the best mean on the other folds: (n,).

    Equal means go to the first column, the default. With a single fold the first column is all there is.
    """
    scored = values[:, 0].copy()
    for fold in np.unique(folds):
        held_out = folds == fold
        if not held_out.all():
            scored[held_out] = values[held_out, _first_best(values[~held_out])]
    return scored


def chosen_variant(values: Values) -> int:
    """Column with the best mean over all queries; the first of equals."""
    return _first_best(values)


def optimism(values: Values, folds: Folds) -> float:
    """How much the best mean of several columns overstates what choosing the best brings on other queries."""
    return float(values.mean(axis=0).max() - cross_fitted(values, folds).mean())


def _first_best(values: Values) -> int:
    means = values.mean(axis=0)
    return int(np.flatnonzero(means >= means.max() - 1e-12)[0])
