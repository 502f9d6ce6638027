"""One finding per configuration: its mean, its comparisons, its values and its cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.grid.measuring import by_query
from tellapart.experiments.grid.scored import Scored
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.experiments.statistics import Comparison
from tellapart.experiments.verdict.choice import Standings, Table
from tellapart.experiments.verdict.costs import CostMeter
from tellapart.experiments.verdict.lengths import length_bins
from tellapart.experiments.verdict.verdict import Difference, Finding

Values = NDArray[np.float64]


def make_finding(
    scored: Scored,
    column: int,
    table: Table,
    standings: Standings,
    queries: Sequence[str],
    gold: QueryGold,
    meter: CostMeter,
) -> Finding:
    """Put together what is known of one candidate."""
    mean = standings.means[column]
    per_query_spans = _known(queries, scored.spans)
    return Finding(
        name=scored.name,
        configuration=scored.configuration,
        mean=mean.mean,
        low=mean.low,
        high=mean.high,
        vs_bm25=_difference(standings.vs_reference, standings.p_reference, column, table.reference),
        vs_default=_difference(standings.vs_default, standings.p_default, column, table.default),
        tied_with_best=column in standings.tied,
        non_inferior=column in standings.non_inferior,
        per_query=by_query(queries, scored.primary),
        cost=meter.measure(scored.configuration),
        span_recall=sum(per_query_spans.values()) / len(per_query_spans) if per_query_spans else None,
        per_query_spans=per_query_spans,
        lengths=length_bins(gold, queries, scored.primary),
    )


def _difference(
    comparisons: Sequence[Comparison], ps: Sequence[float], column: int, itself: int
) -> Difference | None:
    if column == itself:
        return None
    each = comparisons[column]
    return Difference(each.difference, each.low, each.high, ps[column])


def _known(queries: Sequence[str], values: Values | None) -> dict[str, float]:
    if values is None:
        return {}
    pairs = zip(queries, values.tolist(), strict=True)
    return {query: value for query, value in pairs if not math.isnan(value)}
