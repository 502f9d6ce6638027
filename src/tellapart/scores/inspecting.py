"""Everything that can be said of an index without a query: one report per encoder and granularity."""

from __future__ import annotations

from dataclasses import dataclass

from tellapart.corpus.types import Granularity
from tellapart.engine.advice import Advice, Answer
from tellapart.engine.facade import Index
from tellapart.engine.kept import keep_records
from tellapart.progress import Progress, silent
from tellapart.scores.diagnostic import Diagnostic, Health
from tellapart.scores.hubness import hubness
from tellapart.scores.simulation import EXAMPLES, measure_advice
from tellapart.scores.vectors import common_direction, copies, effective_rank, without_vector


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found about one encoder's vectors of one granularity."""

    encoder: str
    granularity: Granularity
    units: int
    diagnostics: tuple[Diagnostic, ...]
    advice: Advice


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
    """Keep what was measured of the SVM in the index, where `auto` follows it."""
    keep_records(index.folder, {each.advice.name: each.advice.encode() for each in inspections})


def _inspect(index: Index, encoder: str, level: Granularity, seed: int) -> Inspection:
    with index.reading() as snapshot:
        vectors = snapshot.vectors(encoder, level)
        moments = vectors.moments()
        advice = measure_advice(index, encoder, level, seed=seed)
        diagnostics = (
            without_vector(vectors),
            copies(vectors),
            common_direction(moments),
            effective_rank(moments),
            hubness(vectors, seed=seed),
            in_words(advice),
        )
        return Inspection(encoder, level, vectors.n_alive, diagnostics, advice)


def in_words(advice: Advice) -> Diagnostic:
    """Say what was measured of the SVM as one diagnostic among the others."""
    shown = f"{advice.answer}: {advice.difference:+.3f} nDCG@10 [{advice.low:+.3f}, {advice.high:+.3f}]"
    if not advice.n:
        shown = f"{advice.answer}: no group of {EXAMPLES + 2} {advice.source}"
    action = {
        Answer.YES: "search by examples with svm (which auto now does)",
        Answer.NO: "search by examples with rocchio (which auto now does)",
        Answer.UNKNOWN: "judge some queries of your own; until then auto takes what was best on judged sets",
    }
    return Diagnostic(
        name="svm for examples",
        value=advice.difference if advice.n else None,
        shown=shown + (f", {advice.n} groups, p {advice.p:.3f}" if advice.n else ""),
        verdict=Health.UNKNOWN if advice.answer is Answer.UNKNOWN else Health.FINE,
        healthy="an interval above 0: use the svm; below 0: do not",
        meaning=f"SVM minus k-NN, {EXAMPLES} examples each, asked of the corpus itself: {advice.source}",
        action=action[advice.answer],
        verify="tellapart search --like A --like B --ranker svm, and --ranker rocchio",
    )
