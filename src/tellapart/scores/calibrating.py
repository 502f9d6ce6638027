"""`calibrate`: from an index and queries with known answers to probabilities that its searches give from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.copied import index_in_folder
from tellapart.engine.probabilities import CALIBRATION, HitCalibration, LogisticMap
from tellapart.engine.records import corpus_state, generation_with, write_records
from tellapart.errors import TellapartError
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.synthetic.generate import DRAWINGS, ENOUGH, fresh_queries, generate
from tellapart.progress import Progress, silent
from tellapart.scores.calibration import CalibrationQuality, HitCalibrator
from tellapart.scores.evidence import EVIDENCE, AnswerTable, CalibrationEvidence, HitTable
from tellapart.scores.observing import ObservedQuery, observe, observe_foreign
from tellapart.scores.thresholds import recall_threshold

LEAST_QUERIES = 20
"""Independent queries below which nothing is fitted: 17 features want at least that, held back as
they are. Not measured at half or twice."""

ANSWERED = 0.9
"""Of queries whose answer is among the first ten hits, so many must not be told that nothing answers them. An argument
of `calibrate`. docs/benchmarks/refusing.md has what .8 to .98 cost: .9 is best on average where a wrong refusal is
twice as bad as a list that does not answer, .95 where it is three times as bad, .8 where it is as bad; five collections
do not separate them."""

LIKELY = 0.5
"""Where there is an answer with at least this probability, it is never said that nothing answers: where the queries
with an answer lie far above those without, the threshold need not be high. At .9 it
changes nothing on the collections of docs/benchmarks/refusing.md."""

SYNTHETIC = (
    "the queries were made from the corpus and have one answer each: where people's have many, the probabilities are"
    " far too low; judge forty queries (--queries, --qrels) before you rely on them"
)
"""docs/benchmarks/calibration.md: errors of .26 to .50 on collections with many answers, .02 to .10 with forty judged
queries."""

SYNTHETIC_QUERIES = 500
"""Queries made in one drawing. Half of what `evaluate` makes, since nothing is compared."""


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """A calibration with what it is worth on queries that were not used for it.

    `answered` is the share of queries with an answer that must not be refused. `first` is about the first hit of every
    query, `first_ten` about all that were looked at; `refused` is the share of near misses (queries whose answer was
    taken out of the corpus) that the answer threshold turns away,
    `unanswered_refused` that of queries that people judged to have no answer, `foreign_refused` that of queries about
    something else; None without a threshold or such queries.
    """

    calibration: HitCalibration
    evidence: CalibrationEvidence
    independent: int
    answered: float
    first: CalibrationQuality
    first_ten: CalibrationQuality
    refused: float | None
    unanswered_refused: float | None
    foreign_refused: float | None
    notes: tuple[str, ...]

    def to_json(self) -> Mapping[str, Any]:
        """Give the documented shape (schema 1)."""
        kept = self.calibration

        def plain(quality: CalibrationQuality) -> dict[str, float]:
            return {each: getattr(quality, each) for each in quality.__slots__}

        return {
            "schema": 1,
            "configuration": kept.configuration.name,
            "source": kept.provenance,
            "queries": kept.queries,
            "independent": self.independent,
            "first": plain(self.first),
            "first_ten": plain(self.first_ten),
            "answered": self.answered,
            "answer_threshold": kept.answer_threshold,
            "near_misses_refused": self.refused,
            "unanswered_refused": self.unanswered_refused,
            "foreign_refused": self.foreign_refused,
            "notes": list(self.notes),
        }


def calibrate(
    index: Index,
    queries: QuerySet | None = None,
    *,
    method: str = "logistic",
    answered: float = ANSWERED,
    keep: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> CalibrationReport:
    """Learn what the scores of an index's searches mean, for the configuration that `search` uses.

    Args:
        index: Searched; the calibration is kept in it.
        queries: With known answers; None = made from the corpus, and the probabilities marked so.
        method: `logistic` or `isotonic`.
        answered: Share of the queries with an answer among the first ten hits that must not be refused, between 0 and
            1. Closer to 1: fewer wrong refusals, and more queries without an answer that get hits all the same.
        keep: Let searches give probabilities from now on.
        seed: Of every random choice.
        progress: Told of queries.

    Raises:
        TellapartError: Too few queries, all their hits are of one kind, or an impossible share.
    """
    if not 0 < answered < 1:
        raise TellapartError(f"answered is {answered:g}: give a share between 0 and 1, such as {ANSWERED:g}")
    with index_in_folder(index, progress=progress) as here:
        report = _calibrated(here, queries, method, answered, seed, progress)
    if keep:
        _keep(index, report)
    return report


def _calibrated(
    index: Index, queries: QuerySet | None, method: str, answered: float, seed: int, progress: Progress
) -> CalibrationReport:
    configuration = index.plan().configuration
    with index.reading() as snapshot:
        state = corpus_state(index.store)
        encoder = configuration.encoder
        fingerprint = None if encoder is None else snapshot.encoders[encoder].fingerprint
    if queries is None:
        observed = observe_synthetic(index, configuration, seed, progress)
        provenance = Provenance.SYNTHETIC.value
    else:
        observed = observe(index, queries, configuration, progress)
        provenance = queries.provenance.value
    independent = len({each.cluster for each in observed if each.answerable})
    if independent < LEAST_QUERIES:
        raise TellapartError(
            f"too few independent {provenance} queries with an answer to calibrate on ({independent:,}):"
            f" needs {LEAST_QUERIES - independent:,} more"
        )
    observed += observe_foreign(index, configuration, progress)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    evidence = CalibrationEvidence.of(observed, method, provenance, made, seed)
    threshold, basis, notes = answer_threshold(evidence.independent(), answered)
    relevance, answer = fitted_maps(observed, method, seed)
    calibration = HitCalibration(
        configuration=configuration,
        relevance=relevance,
        answer=answer,
        answer_threshold=threshold,
        basis=basis,
        provenance=provenance,
        queries=len(evidence.clusters),
        corpus=state,
        encoder_fingerprint=fingerprint,
        made=made,
        generation=generation_with(index.store),
    )
    if provenance == Provenance.SYNTHETIC.value:
        notes = (*notes, SYNTHETIC)
    return CalibrationReport(
        calibration,
        evidence,
        independent,
        answered,
        evidence.quality(1),
        evidence.quality(),
        _below(evidence.misses, threshold),
        _below(evidence.unanswered, threshold),
        _below(evidence.foreign, threshold),
        notes,
    )


def _keep(index: Index, report: CalibrationReport) -> None:
    with index.reading():
        if corpus_state(index.store) != report.calibration.corpus:
            raise TellapartError(
                f"the index {index.place} changed meanwhile: run 'tellapart calibrate' again"
            )
        calibration = replace(report.calibration, generation=generation_with(index.store))
    write_records(index.store, {CALIBRATION: calibration.encode(), EVIDENCE: report.evidence.encode()})


def observe_synthetic(
    index: Index, configuration: Configuration, seed: int, progress: Progress = silent
) -> list[ObservedQuery]:
    """Search the masked copies for queries made from the corpus, in as many drawings as give enough of them."""
    encoders = () if configuration.encoder is None else (configuration.encoder,)
    observed: list[ObservedQuery] = []
    known: set[tuple[str, str]] = set()
    for drawing in range(DRAWINGS):
        made = generate(
            index, seed=seed + drawing, at_most=SYNTHETIC_QUERIES, encoders=encoders, progress=progress
        )
        fresh = fresh_queries(made.query_set, known, drawing)
        if not fresh.queries:
            break
        with made.masked_index(progress=progress) as masked:
            observed += observe(masked, fresh, configuration, progress)
        known |= {(text, fresh.cluster(query)) for query, text in fresh.queries.items()}
        if len(known) >= ENOUGH:
            break
    return observed


def fitted_maps(
    observed: Sequence[ObservedQuery], method: str, seed: int = 0
) -> tuple[LogisticMap, LogisticMap | None]:
    """Fit on all queries: from a hit to P(relevant), and from a list to whether there is an answer."""
    hits = HitTable.of([each for each in observed if each.answerable])
    relevance = HitCalibrator(method).fit(hits.features, hits.relevant, hits.clusters, hits.weights)
    lists = AnswerTable.of(observed, seed)
    if lists is None:
        return _plain(relevance), None
    answer = HitCalibrator().fit(lists.features, lists.answered, lists.clusters, lists.weights)
    return _plain(relevance), _plain(answer)


def _plain(fitted: HitCalibrator) -> LogisticMap:
    return LogisticMap(
        tuple(fitted.means_.tolist()),
        tuple(fitted.scales_.tolist()),
        tuple(fitted.coef_.tolist()),
        fitted.intercept_,
        tuple((float(at), float(value)) for at, value in fitted.steps_),
    )


def _below(values: Sequence[float | None], threshold: float | None) -> float | None:
    """Share of the values that a threshold turns away, None without one of both."""
    known = [each for each in values if each is not None]
    return float(np.mean(np.array(known) < threshold)) if threshold is not None and known else None


def answer_threshold(
    evidence: CalibrationEvidence, answered: float = ANSWERED
) -> tuple[float | None, str, tuple[str, ...]]:
    """Below which probability of an answer nothing answers: threshold, the reason, notes.

    Of new queries like these at most 1 - `answered` lie below it. Only queries count whose answer is among the hits: of
    the others none could be turned away wrongly.
    """
    best = [each for each in evidence.answered if each is not None]
    source = f"{len(evidence.clusters):,} {evidence.provenance} queries"
    try:
        found = recall_threshold(best, answered)
    except TellapartError as error:
        return None, source, (f"no threshold for 'nothing answers that': {error}",)
    return (
        min(found.threshold, LIKELY),
        f"{source}; {100 * (1 - answered):.3g} % of those with an answer lie below it",
        (),
    )
