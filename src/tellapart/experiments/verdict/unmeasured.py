"""The verdict where no query could be made: the default stays, and it says what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.records import corpus_state
from tellapart.experiments.grid.candidates import Grid
from tellapart.experiments.measures import Measure
from tellapart.experiments.verdict.costs import bytes_read
from tellapart.experiments.verdict.sketch import corpus_sketch
from tellapart.experiments.verdict.verdict import Cost, Finding, Verdict


def unmeasured(index: Index, grid: Grid, measure: Measure, notes: Sequence[str]) -> Verdict:
    """Keep the default without a figure."""
    named = {each.name: each.variants[0] for each in grid.candidates}
    with index.reading() as snapshot:
        state, sketch = corpus_state(index.store), corpus_sketch(index.store)
        nothing = tuple(
            _nothing(name, named[name], Cost(None, math.nan, bytes_read(snapshot, named[name])))
            for name in dict.fromkeys((grid.default, grid.reference))
        )
    return Verdict(
        measure=str(measure),
        source="generated",
        sources=(),
        corpus=state.fingerprint,
        corpus_sketch=sketch,
        queries=(),
        independent=0,
        findings=nothing,
        choice=grid.default,
        default=grid.default,
        reference=grid.reference,
        kept_default=True,
        optimism=0.0,
        transfer_error=None,
        detectable_difference=math.nan,
        needed_for_half=0,
        reason=f"no query could be made from this corpus: it stays {grid.default}; give some with --queries",
        notes=tuple(notes),
    )


def _nothing(name: str, configuration: Configuration, cost: Cost) -> Finding:
    return Finding(
        name=name,
        configuration=configuration,
        mean=math.nan,
        low=math.nan,
        high=math.nan,
        vs_bm25=None,
        vs_default=None,
        tied_with_best=True,
        non_inferior=True,
        per_query={},
        cost=cost,
    )
