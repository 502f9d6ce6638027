"""The JSON of a verdict: what `evaluate --json` prints, documented in docs/json.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from tellapart.experiments.posterior.choice import ExpectedGain
from tellapart.experiments.query_set import Provenance

if TYPE_CHECKING:
    from tellapart.engine.configuration import Configuration
    from tellapart.experiments.verdict import Finding, Verdict

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
        "sources": verdict.sources,
        "by_source": verdict.by_source,
        "corpus": verdict.corpus,
        "corpus_sketch": verdict.corpus_sketch,
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
        "weights": verdict.weights,
        "contenders": [
            {**_configuration_json(each.configuration), "name": each.name, "best": each.best}
            for each in verdict.contenders
        ],
        "entropy": verdict.entropy,
        "compressions": verdict.compressions,
        "reason": verdict.reason,
        "notes": verdict.notes,
    }
    plain: dict[str, Any] = _plain(shape)
    return plain


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        **_configuration_json(finding.configuration),
        "mean": finding.mean,
        "low": finding.low,
        "high": finding.high,
        "vs_bm25": finding.vs_bm25,
        "vs_default": finding.vs_default,
        "gain": _gain_json(finding.gain),
        "tied_with_best": finding.tied_with_best,
        "non_inferior": finding.non_inferior,
        "per_query": finding.per_query,
        "span_recall": finding.span_recall,
        "lengths": finding.lengths,
        "cost": finding.cost,
    }


def _configuration_json(configuration: Configuration) -> dict[str, Any]:
    return {
        "encoder": configuration.encoder,
        "granularity": configuration.granularity,
        "ranker": configuration.ranker,
        "parameters": configuration.parameters.given(),
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


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Give what JSON has: values by the names of their fields, and null for nan, which does not exist there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
