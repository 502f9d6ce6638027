"""From values per query to a choice: what is tied for best, what is cheap, and whether to leave the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.statistics import (
    ALPHA,
    DRAWS,
    FEW_QUERIES,
    Comparison,
    Estimate,
    compare_all,
    estimate_means,
    holm,
    tied_group,
)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Values (n, m) of m configurations over n queries, with who is who.

    `clusters` labels dependent queries (n,); `default` and `reference` are columns; `by_cost` lists all
    columns, the cheapest first.
    """

    values: Values
    clusters: Sequence[str]
    default: int
    reference: int
    by_cost: Sequence[int]
    seed: int = 0
    draws: int = DRAWS

    @property
    def independent(self) -> int:
        """Number of clusters."""
        return len(set(self.clusters))

    def against(self, column: int) -> tuple[Comparison, ...]:
        """Compare every column with one of them."""
        return compare_all(
            self.values,
            self.values[:, column],
            clusters=np.array(self.clusters),
            draws=self.draws,
            seed=self.seed,
        )

    def means(self) -> tuple[Estimate, ...]:
        """Means of the columns with their intervals."""
        return estimate_means(self.values, clusters=np.array(self.clusters), draws=self.draws, seed=self.seed)


@dataclass(frozen=True, slots=True)
class Standings:
    """All comparisons of a table; the p of `vs_reference` and `vs_default` are given Holm-corrected beside them."""

    means: tuple[Estimate, ...]
    vs_reference: tuple[Comparison, ...]
    p_reference: tuple[float, ...]
    vs_default: tuple[Comparison, ...]
    p_default: tuple[float, ...]
    best: int
    tied: frozenset[int]
    non_inferior: frozenset[int]

    @classmethod
    def of(cls, table: Table) -> Standings:
        """Make every comparison there is, and correct for all of them."""
        labels = np.array(table.clusters)
        group = tied_group(table.values, clusters=labels, draws=table.draws, seed=table.seed)
        vs_reference, vs_default = table.against(table.reference), table.against(table.default)
        vs_best = table.against(group.best)
        near = {column for column, each in enumerate(vs_best) if each.non_inferior()}
        return cls(
            table.means(),
            vs_reference,
            _corrected(vs_reference, table.reference),
            vs_default,
            _corrected(vs_default, table.default),
            group.best,
            frozenset(group.members),
            frozenset(near | {group.best}),
        )


class Case(StrEnum):
    """Why a configuration was chosen."""

    FEW = "few"
    """Too few independent queries to leave the default."""
    TIED = "tied"
    """Nothing is significantly better than the default."""
    DOUBTED = "doubted"
    """Something is, by generated queries, but by less than such queries mislead."""
    BETTER = "better"
    """The choice is better than the default."""
    UNITS = "units"
    """The choice differs in granularity only, and shows a reader more of what was asked for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The column chosen and why; `ahead` is the column that came closest to replacing the default.

    `error` is how far generated queries may mislead about it, in the measure; None for judged ones.
    """

    choice: int
    case: Case
    ahead: int
    error: float | None = None


def decide(table: Table, standings: Standings) -> Decision:
    """Leave the default only for what is significantly better, then take the cheapest that is as good as the best.

    The best mean must beat the default after Holm over the grid; from then on every configuration counts that
    beats the default, is not separated from the best, and is at most the margin worse than it at 95 %.
    """
    ahead = runner_up(table, standings)
    if table.independent < FEW_QUERIES:
        return Decision(table.default, Case.FEW, ahead)
    better = {
        column
        for column, (comparison, p) in enumerate(zip(standings.vs_default, standings.p_default, strict=True))
        if p <= ALPHA and comparison.difference > 0
    }
    if standings.best not in better:
        return Decision(table.default, Case.TIED, ahead)
    eligible = better & standings.tied & standings.non_inferior
    return Decision(
        next(column for column in table.by_cost if column in eligible), Case.BETTER, standings.best
    )


def runner_up(table: Table, standings: Standings) -> int:
    """The best column, or the second where the default is the best: what it would take to tell these two."""
    if standings.best != table.default or len(standings.means) < 2:
        return standings.best
    others = [column for column in range(len(standings.means)) if column != table.default]
    return max(others, key=lambda column: standings.means[column].mean)


def _corrected(comparisons: Sequence[Comparison], itself: int) -> tuple[float, ...]:
    """Holm over all comparisons but the one of a column with itself."""
    others = [column for column in range(len(comparisons)) if column != itself]
    adjusted = dict(zip(others, holm([comparisons[column].p for column in others]), strict=True))
    return tuple(adjusted.get(column, 1.0) for column in range(len(comparisons)))
