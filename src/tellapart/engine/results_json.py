"""Results as the documented JSON (schema 1, docs/json.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tellapart.engine.results import Hit, SearchResult

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
        "hits": [hit_json(hit) for hit in result.hits],
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """Give one hit in the documented shape."""
    return {
        "rank": hit.rank,
        "id": hit.id,
        "document": hit.document,
        "path": hit.path,
        "granularity": hit.granularity.value,
        "span": list(hit.span),
        "lines": list(hit.lines),
        "score": hit.score,
        "probability": hit.probability,
        "text": hit.text,
        "components": dict(hit.components),
    }
