"""The JSON of a verdict: what `evaluate --json` prints, documented in docs/json.md."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tellapart.experiments.posterior.choice import ExpectedGain
from tellapart.experiments.query_set import Provenance

if TYPE_CHECKING:
    from tellapart.engine.configuration import Configuration
    from tellapart.experiments.verdict import CompressionFinding, Difference, Finding, Verdict

SCHEMA = 1

SPELLED = {Provenance.SYNTHETIC: "generated"}
"""How schema 1 spells a provenance, where it differs."""


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Give the documented shape (schema 1); figures that do not exist (one query has no interval) are None."""
    shape = {
        "schema": SCHEMA,
        "measure": verdict.measure,
        "queries": len(verdict.queries),
        "independent": verdict.independent,
        "source": SPELLED.get(verdict.provenance, verdict.provenance.value),
        "sources": list(verdict.sources),
        "by_source": [
            {
                "name": each.name,
                "queries": each.queries,
                "overlap": each.overlap,
                "means": dict(each.means),
            }
            for each in verdict.by_source
        ],
        "corpus": verdict.corpus,
        "corpus_sketch": list(verdict.corpus_sketch),
        "configurations": [_finding_json(finding) for finding in verdict.findings],
        "choice": verdict.choice,
        "default": verdict.default,
        "reference": verdict.reference,
        "suggested": verdict.suggested,
        "kept_default": verdict.kept_default,
        "optimism": verdict.optimism,
        "transfer_error": verdict.transfer_error,
        "detectable_difference": verdict.detectable_difference,
        "needed_for_half": verdict.needed_for_half,
        "weights": [
            {"weight": w.weight, "expected": w.expected, "low": w.low, "high": w.high}
            for w in verdict.weights
        ],
        "contenders": [
            {**_configuration_json(each.configuration), "name": each.name, "best": each.best}
            for each in verdict.contenders
        ],
        "entropy": None if verdict.entropy is None else asdict(verdict.entropy),
        "compressions": [_compression_json(each) for each in verdict.compressions],
        "reason": verdict.reason,
        "notes": list(verdict.notes),
    }
    finite: dict[str, Any] = _finite(shape)
    return finite


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        **_configuration_json(finding.configuration),
        "mean": finding.mean,
        "low": finding.low,
        "high": finding.high,
        "vs_bm25": _difference_json(finding.vs_bm25),
        "vs_default": _difference_json(finding.vs_default),
        "gain": _gain_json(finding.gain),
        "tied_with_best": finding.tied_with_best,
        "non_inferior": finding.non_inferior,
        "per_query": dict(finding.per_query),
        "span_recall": finding.span_recall,
        "lengths": [
            {"shortest": b.shortest, "longest": b.longest, "queries": b.queries, "mean": b.mean}
            for b in finding.lengths
        ],
        "cost": {
            "index_seconds": finding.cost.index_seconds,
            "query_ms": finding.cost.query_ms,
            "bytes": finding.cost.bytes,
        },
    }


def _configuration_json(configuration: Configuration) -> dict[str, Any]:
    return {
        "encoder": configuration.encoder,
        "granularity": configuration.granularity,
        "ranker": configuration.ranker,
        "parameters": configuration.parameters.given(),
    }


def _compression_json(each: CompressionFinding) -> dict[str, Any]:
    return {
        "spec": each.spec,
        "dim": each.dim,
        "means": dict(each.means),
        "differences": {name: _difference_json(found) for name, found in each.differences.items()},
        "bytes_kept": each.bytes_kept,
        "bytes_read": each.bytes_read,
        "vectors_ms": each.vectors_ms,
        "query_ms": each.query_ms,
        "found": each.found,
        "as_good": each.as_good,
    }


def _difference_json(difference: Difference | None) -> dict[str, float] | None:
    if difference is None:
        return None
    return {
        "difference": difference.difference,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p,
    }


def _gain_json(gain: ExpectedGain | None) -> dict[str, float] | None:
    if gain is None:
        return None
    return {
        "expected": gain.expected,
        "low": gain.low,
        "high": gain.high,
        "low_half": gain.half[0],
        "high_half": gain.half[1],
        "better": gain.better,
        "loss": gain.loss,
    }


def _finite(value: Any) -> Any:  # noqa: ANN401
    """JSON has no nan: null stands for what does not exist."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value
