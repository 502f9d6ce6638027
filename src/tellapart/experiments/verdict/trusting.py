"""The decision on generated queries, in the terms of the table that judged ones are decided in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.grid.scored import Scored
from tellapart.experiments.statistics import ALPHA, FEW_QUERIES
from tellapart.experiments.verdict.choice import Case, Decision, Standings, Table, runner_up
from tellapart.experiments.verdict.transfer import Transfer, in_measure, load_transfer
from tellapart.experiments.verdict.trust import Judgement, Option, trusted_choice

Values = NDArray[np.float64]


def decide_generated(
    table: Table,
    standings: Standings,
    scored: Sequence[Scored],
    weights: Values,
    transfer: Transfer | None = None,
) -> tuple[Decision, list[Scored]]:
    """Leave the default only for what is ahead by more than generated queries mislead.

    Gives the candidates back, the chosen one with the parameters that were chosen.
    """
    transfer = transfer or load_transfer()
    places = [
        (column, variant)
        for column, each in enumerate(scored)
        for variant in range(each.measured.values.shape[1])
    ]
    options = [_option(scored[column], variant, weights) for column, variant in places]
    default = _option(scored[table.default], scored[table.default].variant, weights)
    trusted = trusted_choice(default, options, table.clusters, transfer, seed=table.seed, draws=table.draws)
    ahead = trusted.ahead
    kept = list(scored)
    if table.independent < FEW_QUERIES or ahead is None:
        case = Case.FEW if table.independent < FEW_QUERIES else Case.TIED
        return Decision(table.default, case, runner_up(table, standings), _error(ahead, table)), kept
    column, variant = places[ahead.option]
    if trusted.choice is None:
        case = Case.DOUBTED if ahead.p <= ALPHA and ahead.gain > 0 else Case.TIED
        of = column if case is Case.DOUBTED else runner_up(table, standings)
        return Decision(table.default, case, of, _error(ahead, table)), kept
    column, variant = places[trusted.choice]
    kept[column] = replace(kept[column], variant=variant)
    return Decision(
        column, Case.BETTER if trusted.by_documents else Case.UNITS, column, _error(ahead, table)
    ), kept


def _option(scored: Scored, variant: int, weights: Values) -> Option:
    measured = scored.measured
    spans = np.full(len(weights), np.nan) if measured.spans is None else measured.spans[:, variant]
    return Option(
        measured.candidate.variants[variant], measured.values[:, variant] * weights, spans * weights
    )


def _error(ahead: Judgement | None, table: Table) -> float | None:
    """How far generated queries may mislead about a move, in the measure, near the default's mean."""
    if ahead is None:
        return None
    return in_measure(ahead.doubt, float(table.values[:, table.default].mean()))
