"""Everything that can be said of an index without a query: one report per encoder and granularity."""

from __future__ import annotations

from dataclasses import dataclass

from tellapart.corpus.types import Granularity
from tellapart.engine.facade import Index
from tellapart.engine.planning import BY_EXAMPLES
from tellapart.engine.records import Advice, Gain, write_records
from tellapart.progress import Progress, silent
from tellapart.scores.diagnostic import Diagnostic, Health
from tellapart.scores.hubness import hubness
from tellapart.scores.simulation import EXAMPLES, measure_advice
from tellapart.scores.vectors import common_direction, copies, effective_rank, without_vector

RANKERS = ("svm", BY_EXAMPLES)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found about one encoder's vectors of one granularity."""

    encoder: str
    granularity: Granularity
    units: int
    diagnostics: tuple[Diagnostic, ...]
    advice: tuple[Advice, ...]


def inspect_index(
    index: Index,
    *,
    encoder: str | None = None,
    granularity: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Inspection]:
    """Look at the vectors that a search with these wishes would use.

    Raises:
        TellapartError: the index has no vectors, or not these.
    """
    chosen = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
    inspections = []
    with progress("inspecting", len(chosen.granularities)) as advance:
        for level in chosen.granularities:
            inspections.append(_inspect(index, str(chosen.encoder), level, seed))
            advance(1)
    return inspections


def keep_advice(index: Index, inspections: list[Inspection]) -> None:
    """Keep what was measured of rankers by examples in the index, where `auto` follows it."""
    advice = [advice for each in inspections for advice in each.advice]
    write_records(index.folder, {each.name: each.encode() for each in advice})


def _inspect(index: Index, encoder: str, level: Granularity, seed: int) -> Inspection:
    with index.reading() as snapshot:
        vectors = snapshot.vectors(encoder, level)
        moments = vectors.moments()
        advice = tuple(measure_advice(index, ranker, encoder, level, seed=seed) for ranker in RANKERS)
        diagnostics = (
            without_vector(vectors),
            copies(vectors),
            common_direction(moments),
            effective_rank(moments),
            hubness(vectors, seed=seed),
            *(in_words(each) for each in advice),
        )
        return Inspection(encoder, level, vectors.n_alive, diagnostics, advice)


def in_words(advice: Advice) -> Diagnostic:
    """Say what was measured of a ranker as one diagnostic among the others."""
    shown = f"{advice.answer}: {advice.difference:+.3f} nDCG@10 [{advice.low:+.3f}, {advice.high:+.3f}]"
    if not advice.n:
        shown = f"{advice.answer}: no group of {EXAMPLES + 2} {advice.source}"
    followed = " (which auto now does)" if advice.ranker == BY_EXAMPLES else ""
    action = {
        Gain.YES: f"search by examples with {advice.ranker}{followed}",
        Gain.NO: f"search by examples with rocchio{followed}",
        Gain.UNKNOWN: "judge some queries of your own; until then auto takes what was best on judged sets",
    }
    return Diagnostic(
        name=f"{advice.ranker} for examples",
        value=advice.difference if advice.n else None,
        shown=shown + (f", {advice.n} groups, p {advice.p:.3f}" if advice.n else ""),
        verdict=Health.UNKNOWN if advice.answer is Gain.UNKNOWN else Health.FINE,
        healthy="an interval above 0: use it; below 0: do not",
        meaning=f"{advice.ranker} minus k-NN, {EXAMPLES} examples each, asked of the corpus itself: {advice.source}",
        action=action[advice.answer],
        verify=f"tellapart search --like A --like B --ranker {advice.ranker}, and --ranker rocchio",
    )
