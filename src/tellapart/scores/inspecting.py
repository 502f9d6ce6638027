"""Everything that can be said of an index without a query: one report per encoder and granularity."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tellapart.corpus.document import Granularity
from tellapart.engine.facade import Index
from tellapart.engine.records import corpus_state
from tellapart.experiments.deciding import decide
from tellapart.experiments.examples import EXAMPLES, TARGETS, example_arms, run_examples, unit_query_set
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.statistics import FEW_QUERIES
from tellapart.experiments.verdict import Verdict
from tellapart.progress import Progress, silent
from tellapart.scores.capacity import capacity, distant_queries
from tellapart.scores.vectors import (
    Concern,
    Diagnostic,
    common_direction,
    copies,
    effective_rank,
    hubness,
    without_vector,
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found about one encoder's vectors of one granularity.

    `examples` is the verdict on rankers of examples, None where no units belong together.
    """

    encoder: str
    granularity: Granularity
    units: int
    diagnostics: tuple[Diagnostic, ...]
    examples: Verdict | None


def inspect_index(
    index: Index,
    *,
    encoder: str | None = None,
    granularity: str | None = None,
    queries: QuerySet | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Inspection]:
    """Look at the vectors that a search with these wishes would use, and at how near some queries lie to them.

    Raises:
        TellapartError: the index has no vectors, or not these.
    """
    chosen = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
    inspections = []
    with progress("inspecting", len(chosen.granularities)) as advance:
        for level in chosen.granularities:
            inspections.append(_inspect(index, str(chosen.encoder), level, queries, seed))
            advance(1)
    return inspections


def compare_example_rankers(
    index: Index, encoder: str, level: Granularity, *, seed: int = 0
) -> Verdict | None:
    """Compare the rankers of examples on searches simulated from the corpus; None where no units belong together."""
    query_set = unit_query_set(index, level, seed=seed)
    if not query_set.queries:
        return None
    experiment = run_examples(index, query_set, example_arms(encoder, level))
    with index.reading():
        experiment = replace(experiment, corpus=corpus_state(index.store).fingerprint)
    return decide(experiment, seed=seed)


def _inspect(
    index: Index, encoder: str, level: Granularity, queries: QuerySet | None, seed: int
) -> Inspection:
    texts = [] if queries is None else [*queries.queries.values()]
    distant = [distant_queries(index, encoder, level, texts)] if texts else []
    examples = compare_example_rankers(index, encoder, level, seed=seed)
    with index.reading() as snapshot:
        vectors = snapshot.vectors(encoder, level)
        moments = vectors.moments()
        diagnostics = (
            without_vector(vectors),
            copies(vectors),
            common_direction(moments),
            effective_rank(moments),
            hubness(vectors, seed=seed),
            capacity(vectors, seed=seed),
            *distant,
            *_of_examples(examples, encoder, level),
        )
        return Inspection(encoder, level, vectors.n_alive, diagnostics, examples)


def _of_examples(verdict: Verdict | None, encoder: str, level: Granularity) -> list[Diagnostic]:
    """Say what ridge and the svm find from examples that the mean vector does not."""
    if verdict is None:
        return [_example_diagnostic("ridge", None, level), _example_diagnostic("svm", None, level)]
    return [
        _example_diagnostic(name.rpartition("/")[2], (verdict, name), level)
        for name in (verdict.default, f"{encoder}/{level}/svm")
    ]


def _example_diagnostic(ranker: str, measured: tuple[Verdict, str] | None, level: Granularity) -> Diagnostic:
    meaning = f"{ranker} minus k-NN (the mean of the examples), {EXAMPLES} examples each"
    shown, value, health = (
        f"not measured: no group of {EXAMPLES + TARGETS} {level} units",
        None,
        Concern.UNKNOWN,
    )
    action = "judge some queries of your own; until then auto takes what was best on judged sets"
    if measured is not None:
        verdict, name = measured
        gain = verdict.finding(name).vs_bm25
        assert gain is not None
        n = len(verdict.queries)
        interval = f"[{gain.low:+.3f}, {gain.high:+.3f}]"
        shown = f"{gain.difference:+.3f} {verdict.measure} {interval}, {n} groups, p {gain.p:.3f}"
        value, meaning = gain.difference, f"{meaning}: {', '.join(verdict.sources)}"
        if verdict.independent >= FEW_QUERIES and (gain.low > 0 or gain.high < 0):
            better = ranker if gain.low > 0 else "rocchio"
            health, action = Concern.FINE, f"search by examples with {better}"
    return Diagnostic(
        name=f"{ranker} for examples",
        value=value,
        shown=shown,
        verdict=health,
        healthy="an interval above 0: use it; below 0: do not",
        meaning=meaning,
        action=action,
        verify=f"tellapart search --like A --like B --ranker {ranker}, and --ranker rocchio",
    )
