"""The sentence that says what was concluded, for people without statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tellapart.evaluation.choice import Decision, Standings, Table
from tellapart.evaluation.statistics import FEW_QUERIES


def reason_of(
    decision: Decision, table: Table, standings: Standings, names: Sequence[str], measure: str
) -> str:
    """Say why this configuration."""
    default = names[table.default]
    if decision.case == "few":
        few = table.independent
        return (
            f"{few} independent {'query is' if few == 1 else 'queries are'} too few to leave the default"
            f" ({FEW_QUERIES} are needed): it stays {default}"
        )
    if decision.case == "tied":
        return _kept(table, standings, names, measure)
    better = standings.vs_default[decision.choice]
    others = len(standings.tied) - 1
    cheapest = f"; it is the cheapest of {others + 1} that are tied for best" if others else ""
    return (
        f"{names[decision.choice]} is better than the default {default} by {better.difference:.3f}"
        f" [{better.low:.3f}, {better.high:.3f}] {measure} on {len(table.values):,} queries{cheapest}"
    )


def _kept(table: Table, standings: Standings, names: Sequence[str], measure: str) -> str:
    default = names[table.default]
    if standings.best == table.default:
        return f"the default {default} is the best of {len(names)} configurations on {len(table.values):,} queries"
    ahead = standings.vs_default[standings.best]
    shown = f" (these queries show differences of {ahead.detectable:.3f} or more)"
    return (
        f"the default {default} stays: {names[standings.best]} is ahead by {ahead.difference:.3f} {measure},"
        f" which is not significant over {len(names)} configurations"
        + ("" if math.isnan(ahead.detectable) else shown)
    )
