"""Results as the documented JSON (schema 1, docs/json.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tellapart.engine.results import SearchResult

SCHEMA = 1


def search_json(result: SearchResult) -> dict[str, Any]:
    """Give a search's answer in the documented shape."""
    configuration = result.configuration
    return {
        "schema": SCHEMA,
        "query": result.request.query,
        "like": list(result.request.like),
        "unlike": list(result.request.unlike),
        "configuration": {
            "encoder": configuration.encoder,
            "granularity": configuration.granularity,
            "ranker": configuration.ranker,
        },
        "why": result.why,
        "calibration": _calibration_json(result),
        "certificates": [
            {**asdict(certificate), "holds": certificate.holds} for certificate in result.certificates
        ],
        "freshness": None if result.freshness is None else asdict(result.freshness),
        "hits": result.to_dicts(),
    }


def answer_json(result: SearchResult, absent: str | None) -> dict[str, Any]:
    """Give a search's answer where it was asked whether there is one.

    `absent` says why nothing here answers, null otherwise; then there are no hits, and `nearest` has the best of what
    was found.
    """
    shape = search_json(result)
    if absent is not None:
        shape["nearest"], shape["hits"] = shape["hits"], []
    return {**shape, "absent": absent}


def _calibration_json(result: SearchResult) -> dict[str, Any] | None:
    kept = result.calibration
    if kept is None:
        return None
    return {
        "source": kept.provenance,
        "queries": kept.queries,
        "made": kept.made,
        "answer_threshold": kept.answer_threshold,
        "best_probability": result.best_probability,
    }
