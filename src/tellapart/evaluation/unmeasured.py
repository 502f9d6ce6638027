"""The verdict where no query could be made: the default stays, and it says what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tellapart.engine import Index
from tellapart.engine.kept import corpus_state
from tellapart.evaluation.candidates import Grid
from tellapart.evaluation.costs import bytes_read
from tellapart.evaluation.measures import Measure
from tellapart.evaluation.sketch import corpus_sketch
from tellapart.evaluation.verdict import Cost, Finding, Verdict


def unmeasured(index: Index, grid: Grid, measure: Measure, notes: Sequence[str]) -> Verdict:
    """Keep the default without a figure."""
    default = next(each for each in grid.candidates if each.name == grid.default)
    with index.reading() as snapshot:
        state, sketch = corpus_state(index.store), corpus_sketch(index.store)
        cost = Cost(None, math.nan, bytes_read(snapshot, default.variants[0]))
    nothing = Finding(
        name=default.name,
        configuration=default.variants[0],
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
    return Verdict(
        measure=str(measure),
        source="generated",
        sources=(),
        corpus=state.fingerprint,
        corpus_sketch=sketch,
        queries=(),
        independent=0,
        findings=(nothing,),
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
