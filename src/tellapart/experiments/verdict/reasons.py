"""The sentence that says what was concluded, for people without statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tellapart.experiments.statistics import FEW_QUERIES
from tellapart.experiments.verdict.choice import Case, Decision, Standings, Table


def reason_of(
    decision: Decision, table: Table, standings: Standings, names: Sequence[str], measure: str
) -> str:
    """Say why this configuration."""
    default = names[table.default]
    if decision.case is Case.FEW:
        few = table.independent
        return (
            f"{few} independent {'query is' if few == 1 else 'queries are'} too few to leave the default"
            f" ({FEW_QUERIES} are needed): it stays {default}"
        )
    if decision.case is Case.TIED:
        return _tied(decision, table, standings, names, measure)
    if decision.case is Case.DOUBTED:
        return (
            f"the default {default} stays: {_lead(decision, standings, names, measure)} on generated queries, which"
            f" may mislead by {decision.error:.3f}; judge some queries to be sure"
        )
    if decision.case is Case.UNITS:
        return (
            f"{names[decision.choice]} shows a reader significantly more of the passages asked for within 1,000 tokens"
            f" than the default {default}, on {len(table.values):,} generated queries"
        )
    better = standings.vs_default[decision.choice]
    kind = "generated queries" if decision.error is not None else "queries"
    sentence = (
        f"{names[decision.choice]} is better than the default {default} by {better.difference:.3f}"
        f" [{better.low:.3f}, {better.high:.3f}] {measure} on {len(table.values):,} {kind}"
    )
    if decision.error is not None:
        return f"{sentence}, more than such queries mislead by ({decision.error:.3f})"
    tied = len(standings.tied)
    return f"{sentence}; it is the cheapest of {tied} that are tied for best" if tied > 1 else sentence


def _tied(decision: Decision, table: Table, standings: Standings, names: Sequence[str], measure: str) -> str:
    default = names[table.default]
    if standings.best == table.default:
        return f"the default {default} is the best of {len(names)} configurations on {len(table.values):,} queries"
    detectable = standings.vs_default[decision.ahead].detectable
    shown = f" (these queries show differences of {detectable:.3f} or more)"
    return (
        f"the default {default} stays: {_lead(decision, standings, names, measure)}, which is not significant over"
        f" {len(names)} configurations" + ("" if math.isnan(detectable) else shown)
    )


def _lead(decision: Decision, standings: Standings, names: Sequence[str], measure: str) -> str:
    lead = standings.vs_default[decision.ahead].difference
    return f"{names[decision.ahead]} is ahead by {lead:.3f} {measure}"
