"""`evaluate`: from an index and a query set with its gold to a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.engine import Index
from tellapart.engine.kept import corpus_state
from tellapart.errors import TellapartError
from tellapart.evaluation import passages
from tellapart.evaluation.candidates import make_grid
from tellapart.evaluation.choice import Standings, Table, decide
from tellapart.evaluation.costs import CostMeter, cost_order
from tellapart.evaluation.crossfit import assign_folds, chosen_variant, cross_fitted, optimism
from tellapart.evaluation.grid import GridValues, Measured, by_query, measure_grid
from tellapart.evaluation.lengths import length_bins
from tellapart.evaluation.measures import Measure
from tellapart.evaluation.querysets import QueryGold
from tellapart.evaluation.reasons import reason_of
from tellapart.evaluation.sketch import corpus_sketch
from tellapart.evaluation.statistics import Comparison
from tellapart.evaluation.verdict import Difference, Finding, Verdict
from tellapart.progress import Progress, silent

MEASURE = Measure.parse("nDCG@10")

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to compare, and how; empty means everything that the index has.

    `measure` None = nDCG@10 by documents, or recall within a reading budget where every query was judged by
    passage.
    """

    encoders: tuple[str, ...] = ()
    granularities: tuple[str, ...] = ()
    rankers: tuple[str, ...] = ("bm25", "knn", "svm", "hybrid")
    measure: Measure | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Scored:
    """A measured candidate after cross-fitting: `primary` (n,) decides, `spans` (n,) or None, `variant` is kept."""

    measured: Measured
    primary: Values
    spans: Values | None
    variant: int


def evaluate(
    index: Index,
    gold: QueryGold,
    wishes: Wishes | None = None,
    *,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> Verdict:
    """Compare configurations of an index on queries with gold, and say which to use.

    Raises:
        TellapartError: The index lacks what was asked for, or no query has a relevant document.
    """
    wishes = wishes or Wishes()
    grid = make_grid(index, wishes.encoders, wishes.granularities, wishes.rankers)
    values = measure_grid(index, gold, grid, wishes.measure or MEASURE, progress)
    if not values.queries:
        raise TellapartError("no query has a relevant document: nothing can be measured")
    return conclude(index, gold, values, wishes, notes=notes, progress=progress)


def conclude(
    index: Index,
    gold: QueryGold,
    values: GridValues,
    wishes: Wishes,
    *,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> Verdict:
    """Turn measured values into a verdict: cross-fit, compare, choose, time."""
    clusters = [gold.cluster(query) for query in values.queries]
    folds = assign_folds(clusters, seed=wishes.seed)
    weights = _weights(gold, values.queries)
    by_passage = wishes.measure is None and not gold.generated and _all_passages(values)
    scored = [_scored(each, folds, weights, by_passage=by_passage) for each in values.measured]
    chosen = [each.measured.candidate.variants[each.variant] for each in scored]
    names = [each.measured.candidate.name for each in scored]
    with index.reading() as snapshot:
        order = cost_order(snapshot, chosen)
        state, sketch = corpus_state(index.store), corpus_sketch(index.store)
    table = Table(
        np.stack([each.primary for each in scored], axis=1) * weights[:, None],
        clusters,
        names.index(values.grid.default),
        names.index(values.grid.reference),
        order,
        wishes.seed,
    )
    standings = Standings.of(table)
    decision = decide(table, standings)
    meter = CostMeter(index, list(gold.queries.values()))
    with progress("timing", len(scored)) as advance:
        findings = []
        for column, each in enumerate(scored):
            findings.append(_finding(each, column, table, standings, values, gold, meter))
            advance(1)
    measure = passages.SPELLING if by_passage else str(values.measure)
    ahead = _ahead(table, standings)
    detectable = standings.vs_default[ahead].detectable
    return Verdict(
        measure=measure,
        source="generated" if gold.generated else "judged",
        sources=tuple(sorted({gold.source(query) for query in values.queries})),
        corpus=state.fingerprint,
        corpus_sketch=sketch,
        queries=values.queries,
        independent=table.independent,
        findings=tuple(findings),
        choice=names[decision.choice],
        default=values.grid.default,
        reference=values.grid.reference,
        kept_default=decision.choice == table.default,
        optimism=optimism(table.values, folds),
        transfer_error=None,
        detectable_difference=detectable,
        needed_for_half=_needed(standings.vs_default[ahead]),
        reason=reason_of(decision, table, standings, names, measure),
        notes=tuple(notes),
    )


def _weights(gold: QueryGold, queries: Sequence[str]) -> Values:
    """Weights of the queries, 1 on average, so that a mean of weighted values is the weighted mean."""
    weights = np.array([gold.weights.get(query, 1.0) for query in queries], dtype=np.float64)
    total = weights.sum()
    if not total > 0:
        raise TellapartError("all queries weigh nothing: nothing can be measured")
    return weights * (len(weights) / total)


def _all_passages(values: GridValues) -> bool:
    return all(each.spans is not None and not np.isnan(each.spans).any() for each in values.measured)


def _scored(measured: Measured, folds: NDArray[np.int64], weights: Values, *, by_passage: bool) -> Scored:
    deciding = measured.spans if by_passage and measured.spans is not None else measured.values
    weighted = deciding * weights[:, None]
    variant = chosen_variant(weighted)
    # Cross-fitting picks by weighted means, but each query keeps its own value.
    picked = np.array([cross_fitted(weighted, folds)]).ravel() / np.where(weights > 0, weights, 1.0)
    return Scored(measured, picked, None if measured.spans is None else measured.spans[:, variant], variant)


def _finding(
    scored: Scored,
    column: int,
    table: Table,
    standings: Standings,
    values: GridValues,
    gold: QueryGold,
    meter: CostMeter,
) -> Finding:
    configuration = scored.measured.candidate.variants[scored.variant]
    mean = standings.means[column]
    has_passages = scored.spans is not None and bool(np.isfinite(scored.spans).any())
    return Finding(
        name=scored.measured.candidate.name,
        configuration=configuration,
        mean=mean.difference,
        low=mean.low,
        high=mean.high,
        vs_bm25=_difference(standings.vs_reference, standings.p_reference, column, table.reference),
        vs_default=_difference(standings.vs_default, standings.p_default, column, table.default),
        tied_with_best=column in standings.tied,
        non_inferior=column in standings.non_inferior,
        per_query=by_query(values.queries, scored.primary),
        cost=meter.measure(configuration),
        span_recall=float(np.nanmean(scored.spans)) if has_passages and scored.spans is not None else None,
        per_query_spans=_known(values.queries, scored.spans),
        lengths=length_bins(gold, values.queries, scored.primary),
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


def _ahead(table: Table, standings: Standings) -> int:
    """The best column, or the runner-up where the default is the best: what it would take to tell these two."""
    if standings.best != table.default or len(standings.means) < 2:
        return standings.best
    others = [column for column in range(len(standings.means)) if column != table.default]
    return max(others, key=lambda column: standings.means[column].difference)


def _needed(comparison: Comparison) -> int:
    """Independent queries that would show half of what these show."""
    if math.isnan(comparison.detectable) or comparison.detectable <= 0:
        return comparison.n
    return comparison.needed(comparison.detectable / 2)
