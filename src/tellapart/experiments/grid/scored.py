"""Measured candidates after cross-fitting: one value per query each, and the variant that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.engine.configuration import Configuration
from tellapart.errors import TellapartError
from tellapart.experiments.grid.measuring import GridValues, Measured
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.experiments.verdict.crossfit import chosen_variant, cross_fitted

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """A measured candidate: `primary` (n,) are its cross-fitted values, `variant` is what all queries choose."""

    measured: Measured
    primary: Values
    variant: int

    @property
    def name(self) -> str:
        """Of the candidate."""
        return self.measured.candidate.name

    @property
    def configuration(self) -> Configuration:
        """The variant that is kept."""
        return self.measured.candidate.variants[self.variant]

    @property
    def spans(self) -> Values | None:
        """Budgeted recall of the variant (n,), nan for queries without passages; None where no query has any."""
        return None if self.measured.spans is None else self.measured.spans[:, self.variant]


def score_all(
    values: GridValues, folds: NDArray[np.int64], weights: Values, *, by_passage: bool
) -> list[Scored]:
    """Cross-fit every candidate on documents, or on passages."""
    return [_scored(each, folds, weights, by_passage=by_passage) for each in values.measured]


def _scored(measured: Measured, folds: NDArray[np.int64], weights: Values, *, by_passage: bool) -> Scored:
    deciding = measured.spans if by_passage and measured.spans is not None else measured.values
    weighted = deciding * weights[:, None]
    # Weighted means choose, but each query keeps its own value.
    own = cross_fitted(weighted, folds) / np.where(weights > 0, weights, 1.0)
    return Scored(measured, own, chosen_variant(weighted))


def query_weights(gold: QueryGold, queries: Sequence[str]) -> Values:
    """Weights of the queries, 1 on average, so that a mean of weighted values is the weighted mean."""
    weights = np.array([gold.weights.get(query, 1.0) for query in queries], dtype=np.float64)
    total = float(weights.sum())
    if not total > 0:
        raise TellapartError("all queries weigh nothing: nothing can be measured")
    scaled: Values = weights * (len(weights) / total)
    return scaled


def all_passages(values: GridValues) -> bool:
    """Whether every query has a judged passage."""
    return all(each.spans is not None and not np.isnan(each.spans).any() for each in values.measured)
