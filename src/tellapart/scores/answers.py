"""Fewer hits with a promise: for a wanted precision, or the smallest list with an answer in it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tellapart.engine import Index, SearchResult
from tellapart.engine.probabilities import CheckedCalibration
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.scores.evidence import CalibrationEvidence, claims
from tellapart.scores.observing import DEPTH
from tellapart.scores.thresholds import lower_quantile, precision_threshold


def search_with_precision(index: Index, request: SearchRequest, precision: float) -> SearchResult:
    """Search, and keep only hits of which the wanted share is relevant (`precision_threshold`).

    Args:
        index: With a calibration.
        request: What is looked for; at most its `k` hits.
        precision: Wanted, between 0 and 1.

    Raises:
        TellapartError: No calibration for this search, or it cannot carry the promise: the message says why.
    """
    result, evidence = _calibrated(index, request)
    kept = precision_threshold(evidence.probabilities, evidence.relevant, precision)
    hits = tuple(hit for hit in result.hits if (hit.probability or 0.0) >= kept.threshold)
    note = f"{_source(evidence)}{kept.statement}: probability {kept.threshold:.2f} or more"
    return replace(result, hits=hits, notes=(*result.notes, note))


def search_with_coverage(index: Index, request: SearchRequest, coverage: float) -> SearchResult:
    """Search for the smallest list that holds a relevant hit with the wanted probability (conformal).

    Hits stay whose claim, the share of the highest probability divided by the root of the rank, is large enough: it is
    the order statistic of what the best relevant hits of earlier queries reached (`lower_quantile`). The request's `k`
    does not count: the list is as long as it must be, at most 100.

    Args:
        index: With a calibration.
        request: What is looked for.
        coverage: Wanted, between 0 and 1, on average over queries that have an answer.

    Raises:
        TellapartError: No calibration for this search, or it cannot carry the promise: the message says why.
    """
    if not 0 < coverage < 1:
        raise TellapartError(f"a coverage of {coverage:g} cannot be promised: give one between 0 and 1")
    result, evidence = _calibrated(index, replace(request, k=DEPTH))
    reached = [-math.inf if each is None else each for each in evidence.reached]
    least = lower_quantile(reached, 1 - coverage)
    probabilities = np.array([hit.probability or 0.0 for hit in result.hits])
    hits = tuple(hit for hit, own in zip(result.hits, claims(probabilities), strict=True) if own >= least)
    note = (
        f"{_source(evidence)}a relevant hit is in the list with {coverage:.0%} probability"
        f" ({len(reached):,} queries): share of the best probability, by the root of the rank, from {least:.2f}"
    )
    return replace(result, hits=hits, notes=(*result.notes, note))


def _calibrated(index: Index, request: SearchRequest) -> tuple[SearchResult, CalibrationEvidence]:
    result = index.search(request)
    evidence = CalibrationEvidence.kept_in(index)
    if result.calibration is None or evidence is None:
        raise TellapartError(_why_not(index, result))
    return result, evidence.independent()


def _why_not(index: Index, result: SearchResult) -> str:
    with index.reading() as snapshot:
        kept = CheckedCalibration.of(index.store, snapshot)
    again = f"run 'tellapart calibrate --index {index.place}'"
    if kept is None:
        return f"scores are not calibrated: {again}"
    if kept.stale is not None:
        return f"the calibration is stale ({kept.stale}): {again}"
    if result.configuration != kept.record.configuration:
        return (
            f"the calibration is for {kept.record.configuration.name}, this search uses"
            f" {result.configuration.name}: leave out what asks for that, or {again}"
        )
    return (
        "the calibration is for queries of words over all documents: leave out examples, --where and --regex"
    )


def _source(evidence: CalibrationEvidence) -> str:
    """A promise on synthetic queries is one about synthetic queries."""
    return "" if evidence.provenance == "judged" else f"for {evidence.provenance} queries: "
