"""`calibrate`: from an index and queries with known answers to probabilities that its searches give from then on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.probabilities import CALIBRATION, HitCalibration
from tellapart.engine.records import corpus_state, write_records
from tellapart.errors import TellapartError
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.synthetic.generate import DRAWINGS, ENOUGH, fresh_queries, generate
from tellapart.index.catalogue import Catalogue
from tellapart.progress import Progress, silent
from tellapart.scores.calibration import CalibrationQuality, HitCalibrator, cross_fitted
from tellapart.scores.observing import ObservedQuery, observe
from tellapart.scores.thresholds import one_each, recall_threshold

Floats = NDArray[np.float64]

EVIDENCE = "calibration evidence"
"""Name of the record that thresholds are found on."""

LEAST_QUERIES = 20
"""Independent queries below which nothing is fitted: eight features want at least
that. Not measured at half or twice."""

ANSWERED = 0.95
"""Of queries whose answer is among the first ten hits, so many must not be told that nothing answers them:
a wrong refusal costs a user more than a list that does not answer."""

SYNTHETIC_QUERIES = 500
"""Queries made in one drawing. Half of what `evaluate` makes, since nothing is compared."""

DIGITS = 6
"""Decimals kept of a probability."""


@dataclass(frozen=True, slots=True)
class CalibrationEvidence:
    """What happened to the queries of a calibration; probabilities are of fits that did not see the query's cluster.

    Attributes:
        clusters: Of each query.
        probabilities: Of its first ten hits.
        relevant: Whether each of these is.
        misses: Best probability once its relevant hits were taken out of the corpus; None where no hit was left.
        reached: Score of its first relevant hit as a share of the top score; None where none was found.
        provenance: `judged` or `synthetic`.
        made: ISO date and time, that of the calibration.
    """

    clusters: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]
    relevant: tuple[tuple[bool, ...], ...]
    misses: tuple[float | None, ...]
    reached: tuple[float | None, ...]
    provenance: str
    made: str

    @classmethod
    def of(
        cls, observed: Sequence[ObservedQuery], method: str, provenance: str, made: str, seed: int
    ) -> Self:
        """Predict the hits of every query by a fit on queries of other clusters."""
        features = np.concatenate([each.features for each in observed])
        relevant = np.concatenate([each.relevant for each in observed])
        sizes, left = [len(each.features) for each in observed], [len(each.without) for each in observed]
        # hits of queries whose answer is gone are predicted with their own cluster left out, and weigh nothing in a fit
        rows = np.concatenate([features, *(each.without for each in observed)])
        labels = np.concatenate([relevant, np.zeros(sum(left), dtype=bool)])
        groups = [each.cluster for each in observed]
        weights = np.concatenate([np.repeat([each.weight for each in observed], sizes), np.zeros(sum(left))])
        of_rows = [*np.repeat(groups, sizes), *np.repeat(groups, left)]
        predicted = cross_fitted(HitCalibrator(method), rows, labels, of_rows, weights, seed=seed)
        parts = np.split(np.round(predicted, DIGITS), np.cumsum([*sizes, *left])[:-1])
        of_queries, misses = parts[: len(sizes)], parts[len(sizes) :]
        return cls(
            tuple(groups),
            tuple(tuple(each.tolist()) for each in of_queries),
            tuple(tuple(each.relevant.tolist()) for each in observed),
            tuple(float(each.max()) if len(each) else None for each in misses),
            tuple(each.reached if math.isfinite(each.reached) else None for each in observed),
            provenance,
            made,
        )

    def independent(self) -> CalibrationEvidence:
        """Keep one query of each cluster."""
        kept = one_each(self.clusters)

        def picked(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[position] for position in kept)

        return replace(
            self,
            clusters=picked(self.clusters),
            probabilities=picked(self.probabilities),
            relevant=picked(self.relevant),
            misses=picked(self.misses),
            reached=picked(self.reached),
        )

    def best_relevant(self) -> Floats:
        """Highest probability of a relevant hit of each query (n,), -inf without one."""
        return np.array(
            [
                max((p for p, hit in zip(own, labels, strict=True) if hit), default=-math.inf)
                for own, labels in zip(self.probabilities, self.relevant, strict=True)
            ]
        )

    def quality(self, first: int = 10) -> CalibrationQuality:
        """How well the probabilities of the first hits of every query hold."""
        predicted = [p for own in self.probabilities for p in own[:first]]
        return CalibrationQuality.of(predicted, [hit for own in self.relevant for hit in own[:first]])

    def encode(self) -> str:
        """Write as JSON."""
        return json.dumps({each: getattr(self, each) for each in self.__slots__})

    @classmethod
    def kept_in(cls, index: Index) -> Self | None:
        """Read what `calibrate` kept in an index; None where there is nothing this version can read."""
        with index.reading():
            text = Catalogue(index.store).record(EVIDENCE)
        try:
            kept = json.loads(text) if text else None
            if kept is None:
                return None
            for name in ("probabilities", "relevant"):
                kept[name] = tuple(tuple(each) for each in kept[name])
            for name in ("clusters", "misses", "reached"):
                kept[name] = tuple(kept[name])
            return cls(**kept)
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """A calibration with what it is worth on queries that were not used for it.

    `first` is about the first hit of every query, `first_ten` about all that were looked at; `refused` is the share of
    near misses (queries whose answer was taken out of the corpus) that the answer threshold turns away, None without
    a threshold.
    """

    calibration: HitCalibration
    evidence: CalibrationEvidence
    independent: int
    first: CalibrationQuality
    first_ten: CalibrationQuality
    refused: float | None
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
            "answer_threshold": kept.answer_threshold,
            "near_misses_refused": self.refused,
            "notes": list(self.notes),
        }


def calibrate(
    index: Index,
    queries: QuerySet | None = None,
    *,
    method: str = "logistic",
    keep: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> CalibrationReport:
    """Learn what the scores of an index's searches mean, for the configuration that `search` uses.

    Args:
        index: Searched; the calibration is kept in it.
        queries: With known answers; None = made from the corpus, and the probabilities marked so.
        method: `logistic` or `isotonic`.
        keep: Let searches give probabilities from now on.
        seed: Of every random choice.
        progress: Told of queries.

    Raises:
        TellapartError: Too few queries, or all their hits are of one kind.
    """
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
    independent = len({each.cluster for each in observed})
    if independent < LEAST_QUERIES:
        raise TellapartError(
            f"{independent:,} independent {provenance} queries with an answer are too few to calibrate on:"
            f" needs {LEAST_QUERIES - independent:,} more"
        )
    made = datetime.now(UTC).isoformat(timespec="seconds")
    evidence = CalibrationEvidence.of(observed, method, provenance, made, seed)
    threshold, basis, notes = _answer_threshold(evidence.independent())
    fitted = _fitted(observed, method)
    calibration = HitCalibration(
        configuration=configuration,
        means=tuple(fitted.means_.tolist()),
        scales=tuple(fitted.scales_.tolist()),
        weights=tuple(fitted.coef_.tolist()),
        intercept=fitted.intercept_,
        steps=tuple((float(at), float(value)) for at, value in fitted.steps_),
        answer_threshold=threshold,
        basis=basis,
        provenance=provenance,
        queries=len(observed),
        corpus=state,
        encoder_fingerprint=fingerprint,
        made=made,
        generation=index.store.generation + 1,
    )
    if provenance == Provenance.SYNTHETIC.value:
        notes = (*notes, "made from the corpus itself: people's queries may be answered less often")
    misses = [each for each in evidence.misses if each is not None]
    refused = float(np.mean(np.array(misses) < threshold)) if threshold is not None and misses else None
    report = CalibrationReport(
        calibration, evidence, independent, evidence.quality(1), evidence.quality(), refused, notes
    )
    if keep:
        _keep(index, report)
    return report


def _keep(index: Index, report: CalibrationReport) -> None:
    with index.reading():
        if corpus_state(index.store) != report.calibration.corpus:
            raise TellapartError(
                f"the index {index.folder} changed meanwhile: run 'tellapart calibrate' again"
            )
        calibration = replace(report.calibration, generation=index.store.generation + 1)
    write_records(index.folder, {CALIBRATION: calibration.encode(), EVIDENCE: report.evidence.encode()})


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


def _fitted(observed: Sequence[ObservedQuery], method: str) -> HitCalibrator:
    sizes = [len(each.features) for each in observed]
    return HitCalibrator(method).fit(
        np.concatenate([each.features for each in observed]),
        np.concatenate([each.relevant for each in observed]),
        np.repeat([each.cluster for each in observed], sizes),
        np.repeat([each.weight for each in observed], sizes),
    )


def _answer_threshold(evidence: CalibrationEvidence) -> tuple[float | None, str, tuple[str, ...]]:
    """Below which probability of the best hit nothing answers: threshold, the reason, notes.

    Only queries count whose answer is among the hits: of the others none could be turned away wrongly.
    """
    best = [
        max(own) for own, hits in zip(evidence.probabilities, evidence.relevant, strict=True) if any(hits)
    ]
    source = f"{len(evidence.clusters):,} {evidence.provenance} queries"
    try:
        found = recall_threshold(best, ANSWERED)
    except TellapartError as error:
        return None, source, (f"no threshold for 'nothing answers that': {error}",)
    return found.threshold, f"{source}; {1 - ANSWERED:.0%} of those with an answer lie below it", ()
