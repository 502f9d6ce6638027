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
        "certificates": [
            {**asdict(certificate), "holds": certificate.holds} for certificate in result.certificates
        ],
        "freshness": None if result.freshness is None else asdict(result.freshness),
        "hits": result.to_dicts(),
    }
