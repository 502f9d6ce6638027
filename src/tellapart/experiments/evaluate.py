"""`evaluate`: from an index and a query set with its gold to a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from tellapart.engine import Index
from tellapart.engine.records import corpus_state
from tellapart.errors import TellapartError
from tellapart.experiments.grid import passages
from tellapart.experiments.grid.by_image import make_image_grid, measure_images
from tellapart.experiments.grid.candidates import COMPARED, encode_sentences, make_grid
from tellapart.experiments.grid.measuring import GridValues, measure_grid
from tellapart.experiments.grid.rounds import measure_generated
from tellapart.experiments.grid.scored import all_passages, query_weights, score_all
from tellapart.experiments.measures import Measure
from tellapart.experiments.queries.folders import folder_gold, image_gold
from tellapart.experiments.queries.judgements import Qrels
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.experiments.statistics import Comparison
from tellapart.experiments.verdict.choice import Standings, Table, decide
from tellapart.experiments.verdict.costs import CostMeter, cost_order
from tellapart.experiments.verdict.crossfit import assign_folds, optimism
from tellapart.experiments.verdict.findings import make_finding
from tellapart.experiments.verdict.persource import by_source
from tellapart.experiments.verdict.reasons import reason_of
from tellapart.experiments.verdict.sketch import corpus_sketch
from tellapart.experiments.verdict.trusting import decide_generated
from tellapart.experiments.verdict.unmeasured import unmeasured
from tellapart.experiments.verdict.verdict import Verdict, described
from tellapart.progress import Progress, silent

MEASURE = Measure.parse("nDCG@10")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to compare, and how; empty means everything that the index has.

    `measure` None = nDCG@10 by documents, or recall within a reading budget where every query was judged by
    passage. Generated queries become like those of `query_log`, and some are written by `language_model`
    (MODEL[@BASE-URL]).
    """

    encoders: tuple[str, ...] = ()
    granularities: tuple[str, ...] = ()
    rankers: tuple[str, ...] = COMPARED
    measure: Measure | None = None
    seed: int = 0
    query_log: Mapping[str, str] | None = None
    language_model: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, of which index; `overlap` is the share of words that a query and its answer have in common."""

    index: Index
    gold: QueryGold
    overlap: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def evaluate(
    index: Index,
    gold: QueryGold | None = None,
    wishes: Wishes | None = None,
    *,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> Verdict:
    """Compare configurations of an index on queries with gold, and say which to use.

    Args:
        index: Whose configurations are compared.
        gold: Judged queries (`read_gold`); None = queries generated from the corpus.
        wishes: What to compare, and how.
        notes: Sentences that the verdict should carry.
        progress: Told of queries.

    Raises:
        TellapartError: The index lacks what was asked for, or no judged query has a relevant document.
    """
    wishes = wishes or Wishes()
    measure = wishes.measure or MEASURE
    grid = make_grid(index, wishes.encoders, wishes.granularities, wishes.rankers)
    encode_sentences(index, grid, progress)
    if gold is not None:
        values = measure_grid(index, gold, grid, measure, progress)
        if not values.queries:
            raise TellapartError("no query has a relevant document: nothing can be measured")
        return conclude(Asked(index, gold, notes=tuple(notes)), values, wishes, progress)
    made = measure_generated(
        index,
        grid,
        measure,
        seed=wishes.seed,
        query_log=wishes.query_log,
        language_model=wishes.language_model,
        progress=progress,
    )
    if made.values is None:
        return unmeasured(index, grid, measure, (*notes, *made.notes))
    asked = Asked(index, made.gold, made.overlap, (*notes, *made.notes))
    return conclude(asked, made.values, wishes, progress)


def evaluate_images(
    index: Index, qrels: Qrels | None = None, wishes: Wishes | None = None, *, progress: Progress = silent
) -> Verdict:
    """Compare encoders and rankers on the images of an index, each found by another one as example.

    Args:
        index: Whose images are compared.
        qrels: Which images belong together, by the ids of their documents; None = those of one folder do.
        wishes: What to compare, and how.
        progress: Told of queries.

    Raises:
        TellapartError: The index lacks what was asked for, or nothing says which images belong together.
    """
    wishes = wishes or Wishes()
    rankers = () if wishes.rankers == COMPARED else wishes.rankers
    grid = make_image_grid(index, wishes.encoders, rankers)
    gold, notes = folder_gold(index, seed=wishes.seed) if qrels is None else image_gold(index, qrels)
    values = measure_images(index, gold, grid, wishes.measure or MEASURE, progress)
    return conclude(Asked(index, gold, notes=notes), values, wishes, progress)


def conclude(asked: Asked, values: GridValues, wishes: Wishes, progress: Progress = silent) -> Verdict:
    """Turn measured values into a verdict: cross-fit, compare, choose, time."""
    index, gold = asked.index, asked.gold
    clusters = [gold.cluster(query) for query in values.queries]
    folds = assign_folds(clusters, seed=wishes.seed)
    weights = query_weights(gold, values.queries)
    by_passage = wishes.measure is None and not gold.generated and all_passages(values)
    with progress("choosing parameters", None):
        scored = score_all(values, folds, weights, by_passage=by_passage)
    names = [each.name for each in scored]
    with index.reading() as snapshot:
        order = cost_order(snapshot, [each.configuration for each in scored])
        state, sketch = corpus_state(index.store), corpus_sketch(index.store)
    table = Table(
        np.stack([each.primary for each in scored], axis=1) * weights[:, None],
        clusters,
        names.index(values.grid.default),
        names.index(values.grid.reference),
        order,
        wishes.seed,
    )
    with progress("weighing the evidence", None):
        standings = Standings.of(table)
        decision = decide(table, standings)
        if gold.generated:
            decision, scored = decide_generated(table, standings, scored, weights)
    meter = CostMeter(index, list(gold.queries.values()))
    findings = []
    with progress("timing", len(scored)) as advance:
        for column, each in enumerate(scored):
            findings.append(make_finding(each, column, table, standings, values.queries, gold, meter))
            advance(1)
    spelled = [described(each.name, each.configuration) for each in scored]
    measure = passages.SPELLING if by_passage else str(values.measure)
    primary = {each.name: each.primary for each in scored}
    against_default = standings.vs_default[decision.ahead]
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
        transfer_error=decision.error,
        detectable_difference=against_default.detectable,
        needed_for_half=_needed(against_default),
        reason=reason_of(decision, table, standings, spelled, measure),
        notes=asked.notes,
        by_source=by_source(gold, values.queries, primary, asked.overlap),
        clusters=MappingProxyType(dict(zip(values.queries, clusters, strict=True))),
    )


def _needed(comparison: Comparison) -> int:
    """Independent queries that would show half of what these show."""
    if math.isnan(comparison.detectable) or comparison.detectable <= 0:
        return comparison.n
    return comparison.needed(comparison.detectable / 2)
